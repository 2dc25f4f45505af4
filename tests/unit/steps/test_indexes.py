"""The index of several pages: of one project, of several, of what is stale or missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nox_pex.distributions.interpreter import BasePython
from nox_pex.page import mark, render
from nox_pex.page.model import Index, Row
from nox_pex.steps import indexes, report
from nox_pex.steps.arguments import Arguments
from nox_pex.steps.context import Context
from nox_pex.system import files
from tests.support.results import boot, write_smoke, write_verify
from tests.support.small_pex import SmallPex

PROJECT = """
[project]
name = "{name}"
version = "1"

[tool.poetry]
package-mode = false

[tool.nox-pex]
output-dir = "{output}"

[tool.nox-pex.binary.{name}]
entry-point = "main"
"""

Services = Callable[..., list[Context]]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Index]:
    """The indexes that were written."""
    found: list[Index] = []
    of_index = render.index

    def index(model: Index) -> str:
        found.append(model)
        return of_index(model)

    monkeypatch.setattr(render, "index", index)
    return found


@pytest.fixture
def services(tmp_path: Path) -> Services:
    """Make projects below `services`, each with a binary of its name; those in `broken` have settings with an error."""

    def make(*names: str, output: str = "dist", broken: tuple[str, ...] = (), **environ: str) -> list[Context]:
        contexts = []
        for name in names:
            root = tmp_path / "services" / name
            root.mkdir(parents=True, exist_ok=True)
            text = PROJECT.format(name=name, output=output)
            text = text.replace("entry-point", "entrypoint") if name in broken else text
            (root / "pyproject.toml").write_text(text, "utf-8")
            contexts.append(
                Context(
                    root=root,
                    state=tmp_path / ".nox" / ".cache" / name,
                    base=BasePython(name="python", find=lambda: Path(sys.executable)),
                    arguments=Arguments(),
                    environ=environ,
                    say=lambda _: None,
                    emit=lambda _: None,
                )
            )
        for context in contexts:
            context.surroundings.contexts = tuple(contexts)
            context.surroundings.directory = tmp_path
        return contexts

    return make


def build(context: Context, *, source: bytes = b"") -> None:
    (target,) = context.targets
    target.directory.mkdir(parents=True, exist_ok=True)
    SmallPex(sources={"main.py": source}).write(target.output)
    record = {"name": target.name, "sha256": files.digest(target.output), "distributions": [{"name": "idna"}]}
    files.write_json(target.record, record)


def prove(context: Context) -> None:
    (target,) = context.targets
    sha256 = files.digest(target.binary)
    write_smoke(target, boot("cold", "GET /"), sha256=sha256)
    write_verify(target, sha256=sha256)


def facts(row: Row) -> tuple[Any, ...]:
    return row.name, row.project, row.outcome, row.href, row.is_stale


def test_one_project_with_one_binary_has_no_index(services: Services, written: list[Index]) -> None:
    (api,) = services("api")
    build(api)
    report.run(api)
    assert written == []


def test_projects_with_a_dist_each_have_an_index_next_to_the_noxfile(
    services: Services, written: list[Index], tmp_path: Path
) -> None:
    api, worker = services("api", "worker")
    build(api)
    build(worker)
    prove(api)
    report.run(api)
    assert [facts(row) for row in written[-1].rows] == [
        ("api", "services/api", "passed", "../services/api/dist/api.html", False),
        ("worker", "services/worker", "not-run", "", False),
    ]
    assert written[-1].rows[0].distributions == 1
    assert mark.is_index(tmp_path / "dist" / "index.html")
    report.run(worker)
    assert [row.href for row in written[-1].rows] == [
        "../services/api/dist/api.html",
        "../services/worker/dist/worker.html",
    ]
    assert not (api.root / "dist" / "index.html").exists()


def test_projects_with_one_dist_have_their_index_there(
    services: Services, written: list[Index], tmp_path: Path
) -> None:
    api, worker = services("api", "worker", output="../../out")
    build(api)
    build(worker)
    report.run(api)
    assert [row.href for row in written[-1].rows] == ["api.html", ""]
    assert (tmp_path / "out" / "index.html").is_file()
    assert not (tmp_path / "dist").exists()


def test_a_page_that_is_older_than_a_result_is_stale(services: Services, written: list[Index]) -> None:
    api, worker = services("api", "worker")
    build(api)
    build(worker)
    report.run(api)
    prove(api)
    report.run(worker)
    assert facts(written[-1].rows[0]) == ("api", "services/api", "passed", "../services/api/dist/api.html", True)
    report.run(api)
    assert not written[-1].rows[0].is_stale


def test_a_page_of_an_older_binary_is_stale(services: Services, written: list[Index]) -> None:
    api, worker = services("api", "worker")
    build(api)
    build(worker)
    prove(api)
    report.run(api)
    build(api, source=b"new = True\n")
    report.run(worker)
    assert facts(written[-1].rows[0])[2:] == ("not-run", "../services/api/dist/api.html", True)


def test_a_page_that_nox_pex_did_not_write_is_not_linked(services: Services, written: list[Index]) -> None:
    api, worker = services("api", "worker")
    build(api)
    build(worker)
    (api.root / "dist" / "api.html").write_text("<!doctype html>", "utf-8")
    report.run(worker)
    assert written[-1].rows[0].href == ""


def test_a_project_with_wrong_settings_is_in_the_index_and_stops_no_other(
    services: Services, written: list[Index]
) -> None:
    api, _ = services("api", "worker", broken=("worker",))
    build(api)
    report.run(api)
    row = written[-1].rows[1]
    assert facts(row) == ("worker", "services/worker", "failed", "", False)
    assert row.reason.startswith("config: ")


def test_secrets_are_masked_in_an_index(services: Services, tmp_path: Path) -> None:
    api, worker = services("api", "worker", MY_TOKEN="services/worker")
    build(api)
    build(worker)
    report.run(api)
    assert "services/worker" not in (tmp_path / "dist" / "index.html").read_text("utf-8")


def test_the_index_is_the_same_for_the_same_files(services: Services, tmp_path: Path) -> None:
    api, worker = services("api", "worker")
    build(api)
    build(worker)
    report.run(api)
    report.run(worker)
    first = (tmp_path / "dist" / "index.html").read_bytes()
    report.run(api)
    assert (tmp_path / "dist" / "index.html").read_bytes() == first


def test_the_paths_of_the_indexes_are_known_without_them(services: Services, tmp_path: Path) -> None:
    api, _ = services("api", "worker")
    assert indexes.paths(api) == (api.root / "dist" / "index.html", tmp_path / "dist" / "index.html")


def test_a_binary_called_index_keeps_its_page(services: Services, written: list[Index], tmp_path: Path) -> None:
    index, worker = services("index", "worker", output="../../out")
    build(index)
    build(worker)
    report.run(index)
    assert written == []
    assert mark.is_report(tmp_path / "out" / "index.html")
    report.run(worker)
    assert mark.is_report(tmp_path / "out" / "index.html")
