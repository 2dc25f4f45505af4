"""The page of a binary: what it claims, from what is in `dist`, whoever wrote it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.page import mark, render
from nox_pex.page.model import Index, Page
from nox_pex.steps import report
from nox_pex.steps.context import Context
from nox_pex.system import files
from tests.support.results import boot, write_smoke, write_verify
from tests.support.small_pex import LIBRARY, SmallPex
from tests.unit.steps.conftest import MakeContext

Build = Callable[..., Context]


class Pages(list[Page]):
    """The pages that were written, and the indexes."""

    def __init__(self) -> None:
        super().__init__()
        self.indexes: list[Index] = []


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Pages:
    """The data of the pages that were written."""
    found = Pages()
    of_page, of_index = render.page, render.index

    def page(model: Page) -> str:
        found.append(model)
        return of_page(model)

    def index(model: Index) -> str:
        found.indexes.append(model)
        return of_index(model)

    monkeypatch.setattr(render, "page", page)
    monkeypatch.setattr(render, "index", index)
    return found


@pytest.fixture
def build(make_context: MakeContext) -> Build:
    """Put a small binary `api` with its build record into `dist`, and return the context for it."""

    def built(*, name: str = "api", pex: SmallPex | None = None, **arguments: Any) -> Context:
        context = make_context(names=arguments.pop("names", (name,)), **arguments)
        target = context.all_targets[name]
        target.directory.mkdir(exist_ok=True)
        (pex or SmallPex(sources={"api.py": b"def main(): ...\n"})).write(target.output)
        record = {
            "name": name,
            "version": "1.0",
            "sha256": files.digest(target.output),
            "size": target.output.stat().st_size,
            "inputs": {"lock": "a" * 64},
            "tools": {"nox-pex": "0.1.0", "pex": "2.105.2"},
            "git": {"commit": "c" * 40, "dirty": True},
            "left-out": [{"path": "notes.py", "reason": "hidden", "include": "notes.py"}],
            "distributions": [{"name": "idna", "version": "3.11"}],
            "seconds": {"pack": 0.5},
        }
        files.write_json(target.record, record)
        return context

    return built


def prove(context: Context) -> None:
    """Let `smoke` and `verify` pass on the file."""
    (target,) = context.targets
    sha256 = files.digest(target.binary)
    write_smoke(target, boot("cold", "GET /"), boot("warm", "GET /"), sha256=sha256)
    write_verify(target, sha256=sha256)


def test_right_after_a_build_nothing_is_claimed_and_everything_known_is_shown(
    build: Build, pages: Pages, shown: list[str], tmp_path: Path
) -> None:
    report.run(build())
    (page,) = pages
    assert (page.verdict.outcome, page.verdict.reason) == ("not-run", "smoke: not run; verify: not run")
    assert [each.command and each.command.text for each in page.proofs] == [
        f"nox -s {step} -- api" for step in ("smoke", "verify", "sbom", "attest")
    ]
    identity = page.identity
    assert (identity.version, identity.commit, identity.dirty) == ("1.0", "c" * 40, True)
    assert identity.sha256 == files.digest(tmp_path / "dist" / "api.pex")
    assert identity.note == (
        "its build record comes from elsewhere, and this page takes its word; run `pex` to build the file here"
    )
    assert [(each.name, each.version, each.stored > 0) for each in page.distributions] == [("idna", "3.11", True)]
    assert page.contents is not None
    assert [each.wheel for each in page.contents.distributions] == [LIBRARY]
    assert [each.path for each in page.left_out] == ["notes.py"]
    assert page.making.seconds == (("pack", 0.5),)
    assert page.baseline == (
        "no earlier build with other content is known here; `-- --against OLD.pex` compares with any file"
    )
    assert shown[0] == "report: api not run: smoke: not run; verify: not run (dist/api.html)"
    assert mark.is_report(tmp_path / "dist" / "api.html")
    assert str(tmp_path) not in (tmp_path / "dist" / "api.html").read_text("utf-8")


def test_what_passed_on_this_file_is_the_verdict(build: Build, pages: Pages) -> None:
    context = build()
    prove(context)
    report.run(context)
    (page,) = pages
    assert (page.verdict.outcome, page.verdict.reason) == ("passed", "smoke and verify passed on exactly this file")
    assert [(each.condition, each.checks[0].name) for each in page.boots] == [("cold", "GET /"), ("warm", "GET /")]
    assert [each.name for each in page.gates] == ["closure", "integrity", "leaks", "reproducible", "budget"]


def test_results_of_an_earlier_build_count_as_not_run(build: Build, pages: Pages) -> None:
    context = build()
    prove(context)
    build(pex=SmallPex(sources={"api.py": b"def main(): return 1\n"}))
    report.run(context)
    (page,) = pages
    assert page.verdict.outcome == "not-run"
    assert [each.standing for each in page.proofs[:2]] == ["other-file", "other-file"]
    assert (page.boots, page.gates) == ((), ())


def test_a_result_that_somebody_made_better_proves_nothing(build: Build, pages: Pages) -> None:
    context = build()
    prove(context)
    result = context.all_targets["api"].file("smoke.json")
    value = json.loads(result.read_text("utf-8"))
    value["conditions"].append({"condition": "offline", "state": "passed"})
    result.write_text(json.dumps(value), "utf-8")
    report.run(context)
    (page,) = pages
    assert page.verdict.outcome == "incomplete"
    assert page.proofs[0].summary == "its result was changed (cold, warm and offline passed)"
    assert page.proofs[0].note == "it was changed after `smoke` wrote it; run `smoke` again"


ENDINGS = ["smoke.json", "verify.json", "cdx.json", "image.json", "push.json", "pex.intoto.jsonl", "pex.json"]
GARBAGE = {"binary": b"\xff\x00", "deep": b"[" * 100_000, "other": b'{"sha256": 1}', "empty": b"", "array": b"[]"}


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize("ending", ENDINGS)
def test_whatever_a_result_is_the_page_is_written(build: Build, pages: Pages, ending: str, content: bytes) -> None:
    context = build()
    prove(context)
    context.all_targets["api"].file(ending).write_bytes(content)
    report.run(context)
    assert len(pages) == 1
    assert pages[0].verdict.outcome == ("incomplete" if ending in ("smoke.json", "verify.json") else "passed")


@pytest.mark.parametrize("kind", ["directory", "fifo", "loop"])
@pytest.mark.parametrize("ending", [*ENDINGS, "attestations"])
def test_whatever_stands_in_the_place_of_a_result_the_page_is_written(
    build: Build, pages: Pages, ending: str, kind: str
) -> None:
    context = build()
    path = context.all_targets["api"].file(ending)
    path.unlink(missing_ok=True)
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(path.name)
    report.run(context)
    assert pages[0].verdict.outcome == "not-run"


def test_the_page_is_the_same_for_the_same_files(build: Build, tmp_path: Path, make_context: MakeContext) -> None:
    context = build()
    prove(context)
    page = tmp_path / "dist" / "api.html"
    report.run(context)
    first = page.read_bytes()
    page.unlink()
    report.run(make_context(names=("api",)))
    assert page.read_bytes() == first


def test_secrets_are_masked(build: Build, tmp_path: Path) -> None:
    context = build(environ={"MY_TOKEN": "hunter22"}, pex=SmallPex(sources={"hunter22.py": b""}))
    (target,) = context.targets
    write_smoke(target, boot("cold", "GET /?key=hunter22"), sha256=files.digest(target.binary))
    report.run(context)
    text = (tmp_path / "dist" / "api.html").read_text("utf-8")
    assert "hunter22" not in text
    assert "****" in text


def test_a_finished_file_has_a_page_with_what_can_be_known_of_it(
    make_context: MakeContext, pages: Pages, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    binary = SmallPex().write(tmp_path / "other" / "old.pex")
    report.run(make_context(names=("api",), binary=binary))
    (page,) = pages
    assert (page.identity.file, page.identity.is_recorded) == ("old.pex", False)
    assert page.identity.note == "no build record describes exactly this file; build it with `pex` to have one"
    assert [each.name for each in page.distributions] == ["idna"]
    assert page.distributions[0].is_direct is None
    assert page.proofs[0].command is not None
    assert page.proofs[0].command.text == "nox -s smoke -- api --binary=other/old.pex"
    assert page.making.commands == ()


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_no_pex_has_a_page_that_says_so(
    make_context: MakeContext, pages: Pages, tmp_path: Path, shown: list[str], content: bytes
) -> None:
    binary = tmp_path / "x.pex"
    binary.write_bytes(content)
    report.run(make_context(names=("api",), binary=binary))
    (page,) = pages
    assert page.verdict.outcome == "failed"
    assert page.problem.startswith("x.pex is not a PEX, or is damaged: ")
    assert (page.contents, page.distributions) == (None, ())
    assert shown == [f"report: api failed: {page.problem} (dist/api.html)"]


def test_a_truncated_binary_has_failed_whatever_its_results_say(build: Build, pages: Pages) -> None:
    context = build()
    (target,) = context.targets
    target.output.write_bytes(target.output.read_bytes()[:-100])
    prove(context)
    report.run(context)
    assert pages[0].verdict.outcome == "failed"


def test_a_missing_file_is_an_error(make_context: MakeContext, tmp_path: Path) -> None:
    for given in ({}, {"binary": tmp_path / "no.pex"}):
        with pytest.raises(NoxPexError) as caught:
            report.run(make_context(names=("api",), **given))
        assert caught.value.code == "usage"
    assert not (tmp_path / "dist" / "api.html").exists()


def test_a_file_that_is_named_is_compared_with(build: Build, pages: Pages, tmp_path: Path) -> None:
    old = SmallPex(library=False).write(tmp_path / "old.pex")
    report.run(build(against=old))
    (page,) = pages
    assert page.difference is not None
    assert [(each.name, each.change) for each in page.difference.distributions] == [("idna", "added")]
    assert page.baseline == ""


def test_against_takes_one_binary_and_a_pex(build: Build, make_context: MakeContext, tmp_path: Path) -> None:
    with pytest.raises(NoxPexError) as caught:
        report.run(make_context(against=tmp_path / "old.pex"))
    assert caught.value.code == "usage"
    (tmp_path / "old.pex").write_bytes(b"no")
    with pytest.raises(NoxPexError) as caught:
        report.run(build(against=tmp_path / "old.pex"))
    assert caught.value.code == "integrity"


def test_a_directory_in_the_place_of_the_page_is_an_error(build: Build, tmp_path: Path) -> None:
    context = build()
    (tmp_path / "dist" / "api.html").mkdir()
    with pytest.raises(NoxPexError) as caught:
        report.run(context)
    assert caught.value.code == "os-error"


def test_a_licence_that_is_not_allowed_is_a_failure(build: Build, pages: Pages, tmp_path: Path) -> None:
    with (tmp_path / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write('\n[tool.nox-pex.sbom]\ndeny-licenses = ["MIT"]\n')
    context = build()
    prove(context)
    (target,) = context.targets
    bill = {
        "bomFormat": "CycloneDX",
        "metadata": {"component": {"hashes": [{"alg": "SHA-256", "content": files.digest(target.binary)}]}},
        "components": [
            {"bom-ref": "i", "name": "idna", "version": "3.11", "licenses": [{"license": {"id": "MIT"}}]},
        ],
    }
    target.file("cdx.json").write_text(json.dumps(bill), "utf-8")
    report.run(context)
    (page,) = pages
    assert page.verdict.reason == "sbom: licences that the settings do not allow: idna 3.11 (MIT)"
    assert page.verdict.outcome == "failed"


def test_the_failure_of_a_boot_comes_with_its_reason(build: Build, pages: Pages) -> None:
    context = build()
    (target,) = context.targets
    error = NoxPexError("check-failed", "api, warm: GET /: 500", "see its log", log=("Traceback", "boom"))
    write_smoke(target, boot("cold", "GET /", state="failed"), sha256=files.digest(target.binary), failure=error)
    report.run(context)
    (page,) = pages
    assert page.verdict.reason == "smoke: check-failed: api, warm: GET /: 500"
    assert [(each.step, each.code, each.log) for each in page.failures] == [
        ("smoke", "check-failed", ("Traceback", "boom"))
    ]


def test_a_binary_of_several_that_is_missing_does_not_stop_the_others(
    build: Build, make_context: MakeContext, pages: Pages
) -> None:
    build()
    with pytest.raises(NoxPexError) as caught:
        report.run(make_context())
    assert caught.value.code == "usage"
    assert [each.identity.name for each in pages] == ["api"]
    (index,) = pages.indexes
    assert [(each.name, each.outcome, each.href) for each in index.rows] == [
        ("api", "not-run", "api.html"),
        ("worker", "not-run", ""),
        ("cron", "not-run", ""),
    ]
    assert index.rows[1].reason == "not built"


def test_a_moved_checkout_gets_the_same_page(
    build: Build, make_context: MakeContext, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    context = build()
    prove(context)
    report.run(context)
    first = (tmp_path / "dist" / "api.html").read_bytes()
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "checkout"
    shutil.copytree(tmp_path, elsewhere)
    moved = make_context(names=("api",))
    values = {name: getattr(moved, name) for name in Context.__struct_fields__}
    report.run(Context(**{**values, "root": elsewhere, "state": elsewhere / ".nox" / "state"}))
    assert (elsewhere / "dist" / "api.html").read_bytes() == first
