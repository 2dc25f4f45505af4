from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.pylock import Pylock

from nox_pex.errors import NoxPexError
from nox_pex.poetry.file_urls import FileLocator, FileUrls
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


_TWO_NAMES: Final = """
[tool.nox-pex.binary."a.b"]
entry-point = "api:main"

[tool.nox-pex.binary.a-b]
entry-point = "api:main"
"""
INDEX: Final = FileUrls(
    name="idna",
    version="1.0",
    source=None,
    index="https://index.example/simple",
    files={name: f"https://files.example/{name}" for name in ("idna-1.0-py3-none-any.whl", "idna-1.0.tar.gz")},
)


@pytest.fixture(autouse=True)
def index(monkeypatch: pytest.MonkeyPatch) -> list[FileUrls]:
    """The answers of the package index. If there are none, it cannot be reached."""
    answers = [INDEX]

    def locate(*_: object, **__: object) -> tuple[FileUrls, ...]:
        if not answers:
            raise NoxPexError("index-unreachable", "no index", "wait")
        return tuple(answers)

    monkeypatch.setattr(FileLocator, "locate", locate)
    return answers


@pytest.fixture
def environment(tmp_path: Path) -> FakeEnvironment:
    python = tmp_path / "python3.11"
    python.write_bytes(b"an interpreter")
    environment = FakeEnvironment(tmp_path / "environment", python=python)
    environment.add("idna", {"idna.py": ""})
    return environment


def context_of(make_context: MakeContext, environment: FakeEnvironment, **arguments: Any) -> Context:
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
    before = [file.stat() for file in sorted((tmp_path / "dist").iterdir())]
    assert len(before) == 2
    freeze.run(context_of(make_context, environment))
    assert [file.stat() for file in sorted((tmp_path / "dist").iterdir())] == before
    assert shown[-1] == "freeze: api unchanged (dist/api.requirements.txt)"
    freeze.run(context_of(make_context, environment, force=True))
    assert shown[-1].startswith("freeze: api pinned")


def test_the_pylock_file_has_the_addresses_of_the_index(
    make_context: MakeContext, environment: FakeEnvironment, tmp_path: Path
) -> None:
    freeze.run(context_of(make_context, environment, suffix="-py3.11"))
    document = tomllib.loads((tmp_path / "dist" / "pylock.api-py3-11.toml").read_text("utf-8"))
    (package,) = Pylock.from_dict(document).packages
    assert package.wheels is not None
    assert package.wheels[0].url == "https://files.example/idna-1.0-py3-none-any.whl"
    assert document["environments"][0].startswith('python_version == "3.11" and ')


def test_a_changed_pylock_file_is_written_again(
    make_context: MakeContext, environment: FakeEnvironment, tmp_path: Path
) -> None:
    freeze.run(context_of(make_context, environment))
    file = tmp_path / "dist" / "pylock.api.toml"
    before = file.read_text("utf-8")
    for change in (lambda: file.write_text("", "utf-8"), file.unlink):
        change()
        freeze.run(context_of(make_context, environment))
        assert file.read_text("utf-8") == before


def test_without_the_index_there_is_no_pylock_file_and_no_failure(
    make_context: MakeContext, environment: FakeEnvironment, tmp_path: Path, shown: list[str], index: list[FileUrls]
) -> None:
    freeze.run(context_of(make_context, environment))
    index.clear()
    context = context_of(make_context, environment)
    context.project.lock.write_text(f"# written again\n{LOCK}", "utf-8")
    freeze.run(context)
    assert shown[-2] == "freeze: pylock.api.toml is not written: no index; wait"
    assert [file.name for file in (tmp_path / "dist").iterdir()] == ["api.requirements.txt"]
    freeze.run(context)
    assert shown[-1] == (
        "freeze: api unchanged (dist/api.requirements.txt, without pylock.api.toml: `-- --force` tries again)"
    )


def test_an_environment_that_another_run_has_cleaned_is_not_installed(
    make_context: MakeContext, environment: FakeEnvironment
) -> None:
    context = context_of(make_context, environment)
    (environment.path / "pyvenv.cfg").unlink()
    with pytest.raises(NoxPexError, match="nothing is installed for api yet"):
        freeze.run(context)


def test_two_binaries_with_one_pylock_file_are_refused(make_context: MakeContext, tmp_path: Path) -> None:
    context = make_context()
    with (tmp_path / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(_TWO_NAMES)
    with pytest.raises(NoxPexError, match=r"both have the file pylock\.a-b\.toml") as caught:
        freeze.run(context)
    assert caught.value.code == "config"


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
