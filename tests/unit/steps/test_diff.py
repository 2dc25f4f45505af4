from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.pex import member_list
from nox_pex.pex.target import Target
from nox_pex.steps import diff, needs
from nox_pex.steps import summary as summaries
from nox_pex.steps.context import Context
from nox_pex.steps.journal import Journal, Place
from nox_pex.system import files as system_files
from nox_pex.system.secrets import Secrets
from tests.support.small_pex import SmallPex
from tests.unit.contents.conftest import NEW, OLD
from tests.unit.steps.conftest import MakeContext


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Two finished files, in a directory without a project."""
    (directory := tmp_path / "downloads").mkdir()
    return OLD.write(directory / "old.pex"), NEW.write(directory / "new.pex")


@pytest.fixture
def two(make_context: MakeContext, files: tuple[Path, Path], tmp_path: Path) -> Context:
    """A context in which the user names both files, and there is no project."""
    old, new = files
    (tmp_path / "empty").mkdir()
    return replace(make_context(binary=new, against=old), root=tmp_path / "empty")


def build(target: Target, pex: SmallPex) -> None:
    """Leave what a build of `pex` leaves."""
    target.directory.mkdir(parents=True, exist_ok=True)
    path = pex.write(target.output)
    members = member_list.of_binary(path, known=target.state_file(member_list.CURRENT))
    member_list.keep(
        target, members, {"sha256": system_files.digest(path), "size": path.stat().st_size}, secrets=Secrets()
    )


def test_two_files_are_compared_without_a_project(two: Context, files: tuple[Path, Path], shown: list[str]) -> None:
    assert needs.find(two, {"install", "freeze", "pex", "diff"}) == ()
    diff.run(two)

    directory = files[0].parent
    value = json.loads((directory / "new.diff.json").read_text("utf-8"))
    assert (value["name"], value["baseline"], value["passed"]) == ("new", "file", True)
    assert [each["name"] for each in value["distributions"]["added"]] == ["redis"]
    assert (directory / "new.diff.md").read_text("utf-8").startswith("### `new.pex`: ")
    assert shown[0] == "diff: new.pex compared with old.pex"
    assert shown[-1] == f"diff: written to {directory / 'new.diff.json'} and {directory / 'new.diff.md'}"
    assert sorted(path.name for path in directory.iterdir()) == ["new.diff.json", "new.diff.md", "new.pex", "old.pex"]


@pytest.mark.parametrize("text", ["[[broken", "[project]\nname = 1\n", "[tool.nox-pex]\nunknown = 1\n"])
def test_two_files_are_compared_whatever_the_settings_are(two: Context, text: str) -> None:
    (two.root / "pyproject.toml").write_text(text, "utf-8")
    assert needs.find(two, {"install", "freeze", "pex", "diff"}) == ()
    diff.run(two)
    assert len(needs.find(two, {"smoke", "diff"})) > 0  # another session of the run reads them


def test_one_of_several_binaries_must_be_named(make_context: MakeContext) -> None:
    context = make_context()
    (problem,) = needs.find(context, {"install", "freeze", "pex", "diff"})
    assert (problem.code, problem.problem) == ("usage", "diff takes one binary, and there are 3: api, worker, cron")
    with pytest.raises(NoxPexError, match="api, worker, cron"):
        diff.run(context)
    assert needs.find(make_context(names=("worker",)), {"install", "freeze", "pex", "diff"}) == ()
    assert needs.find(context, {"install", "freeze", "pex"}) == ()


def test_the_summary_of_the_run_has_the_difference(make_context: MakeContext, files: tuple[Path, Path]) -> None:
    journal = Journal()
    context = replace(make_context(names=("api",), against=files[0], max_growth=0), journal=journal)
    (target,) = context.targets
    build(target, NEW)
    with pytest.raises(NoxPexError, match="grew by"), journal.during("diff", Place("", context.root, None), mask=str):
        diff.run(context)

    (outcome,) = journal.outcomes
    assert (outcome.binary, outcome.step, outcome.result) == ("api", "diff", "failed")
    summary = summaries.markdown(journal.outcomes, limit=100_000)
    assert target.file("diff.md").read_text("utf-8").strip() in summary


def test_a_built_binary_is_compared_with_a_file(
    make_context: MakeContext, files: tuple[Path, Path], shown: list[str]
) -> None:
    context = make_context(names=("api",), against=files[0])
    (target,) = context.targets
    build(target, NEW)
    diff.run(context)

    value = json.loads(target.file("diff.json").read_text("utf-8"))
    assert (value["name"], value["old"]["file"], value["new"]["file"]) == ("api", "old.pex", "api.pex")
    assert value["compared-by"] == "sha256"
    assert shown[-1] == "diff: written to dist/api.diff.json and dist/api.diff.md"


def test_a_built_binary_is_compared_with_the_previous_build(make_context: MakeContext, shown: list[str]) -> None:
    context = make_context(names=("api",))
    (target,) = context.targets
    build(target, OLD)
    build(target, NEW)
    diff.run(context)

    value = json.loads(target.file("diff.json").read_text("utf-8"))
    assert (value["baseline"], value["compared-by"]) == ("previous-build", "crc32")
    assert [each["path"] for each in value["own"]] == ["gone.py", "main.py", "shop/new.py"]
    assert shown[0].startswith("diff: api.pex compared with the build ")


def test_without_a_previous_build_it_says_how_to_get_one(make_context: MakeContext, shown: list[str]) -> None:
    context = make_context(names=("api",), max_growth=0)
    (target,) = context.targets
    target.directory.mkdir(parents=True)
    NEW.write(target.output)
    target.file("diff.json").write_text("{}", "utf-8")  # of an earlier run
    diff.run(context)

    assert shown == [
        "diff: no previous build of api is known here, so there is nothing to compare with",
        "diff: compare with any file: `nox -s diff -- --against OLD.pex`",
        "diff: warning: --max-growth is not checked",
    ]
    assert not target.file("diff.json").exists()


def test_a_binary_that_grew_too_much_fails_after_the_results_are_written(
    make_context: MakeContext, files: tuple[Path, Path]
) -> None:
    old, new = files
    growth = new.stat().st_size - old.stat().st_size
    diff.run(make_context(binary=new, against=old, max_growth=growth))
    with pytest.raises(NoxPexError) as caught:
        diff.run(make_context(binary=new, against=old, max_growth=growth - 1))

    assert caught.value.code == "budget"
    assert caught.value.problem.startswith(
        f"new.pex grew by {growth} bytes ({growth} B), over --max-growth of {growth - 1} bytes; most: redis (added) +"
    )
    value = json.loads((new.parent / "new.diff.json").read_text("utf-8"))
    assert (value["passed"], value["max-growth"], value["growth"]) == (False, growth - 1, growth)
    diff.run(make_context(binary=old, against=new, max_growth=0))  # it became smaller


@pytest.mark.parametrize("wrong", ["old", "new"])
def test_a_file_that_is_no_pex_leaves_no_result(
    make_context: MakeContext, files: tuple[Path, Path], wrong: str
) -> None:
    old, new = files
    diff.run(make_context(binary=new, against=old))
    (old if wrong == "old" else new).write_bytes(b"no PEX")
    with pytest.raises(NoxPexError) as caught:
        diff.run(make_context(binary=new, against=old))
    assert (caught.value.code, f"{wrong}.pex is not a PEX" in caught.value.problem) == ("integrity", True)
    assert not list(new.parent.glob("*.diff.*"))


def test_no_secret_is_in_a_result(make_context: MakeContext, tmp_path: Path, shown: list[str]) -> None:
    secret = 'hunter2|`"<secret>'
    pex = replace(NEW, values={**NEW.values, "inject_env": {"LICENCE": secret}})
    old, new = OLD.write(tmp_path / "old.pex"), pex.write(tmp_path / "new.pex")
    diff.run(make_context(binary=new, against=old, environ={"LICENCE": secret}))

    for text in ((tmp_path / "new.diff.json").read_text(), (tmp_path / "new.diff.md").read_text(), "\n".join(shown)):
        assert "hunter2" not in text
        assert "inject_env" in text


def test_files_of_one_name_are_told_apart_by_their_paths(
    make_context: MakeContext, files: tuple[Path, Path], tmp_path: Path, shown: list[str]
) -> None:
    old, new = files
    (tmp_path / "main").mkdir()
    old = old.rename(tmp_path / "main" / "new.pex")
    diff.run(replace(make_context(binary=new, against=old), invoked_from=tmp_path))
    assert shown[0] == "diff: downloads/new.pex compared with main/new.pex"


def test_a_scie_is_written_about_next_to_it(make_context: MakeContext, files: tuple[Path, Path]) -> None:
    old, new = files
    renamed = new.rename(new.with_name("shop-linux-x86_64"))
    diff.run(make_context(binary=renamed, against=old))
    assert (new.parent / "shop-linux-x86_64.diff.md").is_file()
