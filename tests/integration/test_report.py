"""The page of a binary that the real tools built and tested, and the index of a monorepo."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path

import pytest

from nox_pex.system import files
from tests.support.commands import run
from tests.support.monorepo import SERVICES
from tests.support.nox_project import CHECKOUT, Project


@pytest.fixture
def sample(tmp_path: Path, environ: dict[str, str]) -> Project:
    """A copy of the sample application."""
    ignored = shutil.ignore_patterns(".nox", "dist", "__pycache__")
    shutil.copytree(CHECKOUT / "sample_app", tmp_path / "sample", ignore=ignored)
    project = Project(root=tmp_path / "sample", environ=environ)
    project.write_noxfile()
    return project


def text_of(page: Path) -> str:
    """What a person can read on a page, on one line."""
    without_tags = re.sub(r"<(style|script)\b.*?</\1>|<[^>]*>", " ", page.read_text("utf-8"), flags=re.DOTALL)
    return " ".join(html.unescape(without_tags).split())


def test_the_page_says_what_was_proven_of_exactly_this_file(sample: Project, environ: dict[str, str]) -> None:
    dist = sample.root / "dist"
    page = dist / "service.html"
    assert sample.nox("-s", "report").said(
        "report: service not run: smoke: not run; verify: not run (dist/service.html)"
    )
    assert "fastapi" in text_of(page)

    result = sample.nox("-s", "report", "smoke", "verify", "sbom")
    passed = "smoke, verify and sbom passed on exactly this file"
    assert result.said(f"report: service passed: {passed} (dist/service.html)")
    shown = text_of(page)
    sha256 = files.digest(dist / "service.pex")
    locked = re.search(
        r"starlette-[^\"]+\.whl\", hash = \"(sha256:\w+)", (sample.root / "poetry.lock").read_text("utf-8")
    )
    assert locked is not None
    for each in (
        sha256,
        "Smoke, verify and sbom passed on exactly this file.",
        "fastapi",
        "starlette",
        "BSD-3-Clause",
        locked[1][:19],
        "Hello World",
        "noxfile.py",
        "reproducible",
    ):
        assert each in shown, each
    assert str(sample.root) not in page.read_text("utf-8")
    first = page.read_bytes()
    sample.nox("-s", "report")
    assert page.read_bytes() == first

    raw = html.unescape(page.read_text("utf-8"))
    (command,) = set(re.findall(r"echo '[0-9a-f]{64}  service\.pex' \| sha256sum -c", raw))
    assert run(["sh", "-c", command], cwd=dist, env=environ).output == "service.pex: OK\n"

    edited = json.loads((dist / "service.smoke.json").read_text("utf-8"))
    edited["conditions"].append({"condition": "offline", "state": "passed"})
    (dist / "service.smoke.json").write_text(json.dumps(edited), "utf-8")
    (dist / "service.verify.json").write_text('{"passed": true', "utf-8")
    assert sample.nox("-s", "report").said(
        "report: service not complete: smoke: its result was changed (cold, warm and offline passed); "
        "verify: its result cannot be read; sbom passed (dist/service.html)"
    )

    other = shutil.copy(dist / "service.pex", sample.root.parent / "other.pex")
    result = sample.nox("-s", "report", "--", "--binary", str(other))
    assert "pex: skipped, --binary " in result.output
    shown = text_of(page)
    assert sha256 in shown
    assert "other.pex" in shown
    assert "No build record describes exactly this file" in shown

    sample.nox("-s", "clean")
    assert not page.exists()


def test_a_failed_smoke_test_is_on_the_page_with_its_cause(sample: Project) -> None:
    sample.edit("main.py", '"Hello World"', '"Good day"')
    result = sample.run("-s", "smoke", "report")
    assert result.status != 0
    assert "report: service failed: smoke: check-failed: " in result.output
    shown = text_of(sample.root / "dist" / "service.html")
    assert "check-failed" in shown
    assert "Good day" in shown


def test_the_projects_of_a_monorepo_have_an_index_next_to_the_noxfile(shop: Project) -> None:
    index = shop.root / "dist" / "index.html"
    shop.nox("-s", "report(api)")
    assert set(re.findall(r"services/\w+/dist/(\w+)\.html", index.read_text("utf-8"))) == {"api"}
    shop.nox("-s", "smoke(api)", "report")
    text = index.read_text("utf-8")
    links = set(re.findall(r"\.\./services/\w+/dist/\w+\.html", text))
    assert links == {f"../services/{name}/dist/{name}.html" for name in SERVICES}
    assert all((index.parent / link).is_file() for link in links)
    shop.nox("-s", "clean(worker)")
    assert not index.exists()
