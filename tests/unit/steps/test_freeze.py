from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.steps import freeze
from nox_pex.steps.context import Context
from tests.support.fake_environment import FakeEnvironment
from tests.unit.steps.conftest import MakeContext

LOCK: Final = """\
[[package]]
name = "idna"
version = "1.0"
files = [{file = "idna-1.0-py3-none-any.whl", hash = "sha256:aa"}, {file = "idna-1.0.tar.gz", hash = "sha256:bb"}]

[[package]]
name = "board"
version = "1.0"
files = []

[package.source]
type = "git"
url = "https://git.example/board"
reference = "main"
resolved_reference = "abc"

[metadata]
lock-version = "2.1"
python-versions = ">=3.9"
content-hash = "x"
"""


@pytest.fixture
def environment(tmp_path: Path) -> FakeEnvironment:
    python = tmp_path / "python3.11"
    python.write_bytes(b"an interpreter")
    environment = FakeEnvironment(tmp_path / "environment", python=python)
    environment.add("idna", {"idna.py": ""})
    return environment


def context_of(make_context: MakeContext, environment: FakeEnvironment, **arguments: bool) -> Context:
    """The context of a project whose binary `api` is installed."""
    context = make_context(names=("api",), **arguments)
    context.project.lock.write_text(LOCK, "utf-8")
    context.installs[context.all_targets["api"].selection] = environment.installed()
    return context


def test_the_requirements_are_pinned_with_every_hash(
    make_context: MakeContext, environment: FakeEnvironment, tmp_path: Path, shown: list[str]
) -> None:
    freeze.run(context_of(make_context, environment))
    text = (tmp_path / "dist" / "api.requirements.txt").read_text("utf-8")
    assert "idna==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n" in text
    assert shown == ["freeze: api pinned, 1 requirement with 2 hashes (dist/api.requirements.txt)"]
    assert not (tmp_path / "dist" / "api.requirements-direct.txt").exists()


def test_unchanged_requirements_are_not_written_again(
    make_context: MakeContext, environment: FakeEnvironment, tmp_path: Path, shown: list[str]
) -> None:
    freeze.run(context_of(make_context, environment))
    before = (tmp_path / "dist" / "api.requirements.txt").stat()
    freeze.run(context_of(make_context, environment))
    assert (tmp_path / "dist" / "api.requirements.txt").stat() == before
    assert shown[-1] == "freeze: api unchanged (dist/api.requirements.txt)"
    freeze.run(context_of(make_context, environment, force=True))
    assert shown[-1].startswith("freeze: api pinned")


@pytest.mark.parametrize("change", ["edited", "removed", "another-lock", "another-distribution"])
def test_requirements_are_written_again_after_a_change(
    make_context: MakeContext, environment: FakeEnvironment, tmp_path: Path, shown: list[str], change: str
) -> None:
    context = context_of(make_context, environment)
    freeze.run(context)
    pinned = tmp_path / "dist" / "api.requirements.txt"
    before = pinned.read_text("utf-8")
    if change == "edited":
        pinned.write_text("idna\n", "utf-8")
    elif change == "removed":
        pinned.unlink()
    elif change == "another-lock":
        context.project.lock.write_text(f"# written again\n{LOCK}", "utf-8")
    else:
        environment.add("board", {"board.py": ""}, direct_url='{"url": "https://git.example/board", "vcs_info": {}}')
        context.installs[context.targets[0].selection] = environment.installed()
    freeze.run(context)
    assert shown[-1].startswith("freeze: api pinned")
    assert (pinned.read_text("utf-8") == before) == (change != "another-distribution")


def test_distributions_without_a_hash_are_in_a_separate_file(
    make_context: MakeContext, environment: FakeEnvironment, tmp_path: Path
) -> None:
    direct = tmp_path / "dist" / "api.requirements-direct.txt"
    info = environment.add("board", {"board.py": ""}, direct_url='{"url": "https://git.example/board", "vcs_info": {}}')
    freeze.run(context_of(make_context, environment))
    assert "board @ git+https://git.example/board@abc" in direct.read_text("utf-8")
    info.rename(info.with_name("board"))
    freeze.run(context_of(make_context, environment))
    assert not direct.exists()


def test_a_distribution_that_is_not_locked_is_an_error(
    make_context: MakeContext, environment: FakeEnvironment, tmp_path: Path
) -> None:
    environment.add("stowaway", {"stowaway.py": ""})
    with pytest.raises(NoxPexError) as caught:
        freeze.run(context_of(make_context, environment))
    assert caught.value.code == "not-locked"
    assert not (tmp_path / "dist").exists()
