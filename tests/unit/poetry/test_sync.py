from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from nox_pex.distributions import inventory
from nox_pex.distributions.environment import Environment
from nox_pex.errors import NoxPexError
from nox_pex.poetry import lock
from nox_pex.poetry.selection import Selection
from nox_pex.poetry.sync import Sync
from nox_pex.project.pyproject import Project
from nox_pex.system.secrets import Secrets
from nox_pex.tools import pinned
from nox_pex.tools.cache import Caches
from nox_pex.tools.pinned import Poetry
from tests.support import environments
from tests.support.environments import FakeProvisioner, FakeShell
from tests.support.shown import say_into

MAIN = Selection(("main",), ())
MISMATCH = "Hash for idna (3.11) from archive idna-3.11-py3-none-any.whl not found in known hashes"

Tool = Callable[[Sequence[str], Mapping[str, str]], tuple[int, str]]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    (tmp_path / "python3.11").write_bytes(b"")
    return environments.create(tmp_path / "environment", base=tmp_path / "python3.11")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def run(
    environment: Environment, service: Project, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Run `Sync` with a function in the place of Poetry."""
    poetry = Poetry(python=Path("/tools/python"), version="2.5.1")
    monkeypatch.setattr(pinned, "provide_poetry", lambda *_: poetry)

    def run(tool: Tool, *, one_at_a_time: bool = False) -> None:
        environ = {"HOME": str(service.root), "PIP_CONFIG_FILE": "/dev/null"}
        shell = FakeShell(environ=environ, secrets=Secrets(), say=say_into(said.append), tool=tool)
        provisioner = FakeProvisioner(shell=shell, caches=Caches(chosen=service.root), uv=None)
        sync = Sync(project=service, provisioner=provisioner, poetry_version=None)
        sync.run(MAIN, environment, lock_fd=0, one_at_a_time=one_at_a_time)

    return run


def test_poetry_installs_into_the_environment(
    run: Callable[..., None], environment: Environment, said: list[str]
) -> None:
    def poetry(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[int, str]:
        assert "sync" in argv
        assert environ["VIRTUAL_ENV"] == str(environment.path)
        assert "POETRY_INSTALLER_PARALLEL" not in environ
        environments.install(environment, "idna", {}, version="3.11")
        return 0, "  - Installing idna (3.11)"

    run(poetry)
    assert said == ["install: Poetry 2.5.1 installs from the lock (group main)"]
    assert not list(environment.path.parent.glob(".*"))  # its temporary directory is removed


def test_one_at_a_time_turns_the_parallel_installer_off(run: Callable[..., None], said: list[str]) -> None:
    parallel: list[str | None] = []

    def poetry(_: Sequence[str], environ: Mapping[str, str]) -> tuple[int, str]:
        parallel.append(environ.get("POETRY_INSTALLER_PARALLEL"))
        return 0, ""

    run(poetry, one_at_a_time=True)
    assert (parallel, said) == (["false"], [])


def test_a_damaged_download_is_fetched_again_with_an_empty_cache(run: Callable[..., None], said: list[str]) -> None:
    caches: list[str | None] = []

    def poetry(_: Sequence[str], environ: Mapping[str, str]) -> tuple[int, str]:
        caches.append(environ.get("POETRY_CACHE_DIR"))
        return (0, "") if len(caches) > 1 else (1, MISMATCH)

    run(poetry)
    assert caches[0] is None
    assert caches[1] is not None
    assert said[1] == "install: a file has another hash than the lock says; downloading it again"


@pytest.mark.parametrize(
    ("output", "code", "runs"), [(MISMATCH, "hash-mismatch", 2), ("No space left on device", "disk-full", 1)]
)
def test_poetrys_error_is_raised(run: Callable[..., None], output: str, code: str, runs: int) -> None:
    outcomes: list[str] = []

    def poetry(_: Sequence[str], __: Mapping[str, str]) -> tuple[int, str]:
        outcomes.append(output)
        return 1, output

    with pytest.raises(NoxPexError) as caught:
        run(poetry)
    assert (caught.value.code, len(outcomes)) == (code, runs)


def test_a_distribution_that_is_not_in_the_environment_is_an_error(run: Callable[..., None], service: Project) -> None:
    service.lock.write_text(LOCK, "utf-8")
    with pytest.raises(NoxPexError, match="Poetry installed idna elsewhere") as caught:
        run(lambda *_: (0, "  - Installing idna (3.11)"))
    assert caught.value.code == "install-failed"


def test_another_environment_is_an_error(run: Callable[..., None]) -> None:
    def poetry(_: Sequence[str], environ: Mapping[str, str]) -> tuple[int, str]:
        Path(environ["POETRY_VIRTUALENVS_PATH"], "service-py3.11").mkdir()
        return 0, ""

    with pytest.raises(NoxPexError, match=r"Poetry created the environment service-py3\.11") as caught:
        run(poetry)
    assert caught.value.code == "install-failed"


LOCK = (
    '[[package]]\nname = "shelf-api"\nversion = "1.0"\n[package.source]\ntype = "directory"\nurl = "shelf"\n'
    '[[package]]\nname = "board-api"\nversion = "1.0"\n[package.source]\ntype = "git"\n'
    'url = "https://g.example/board"\nresolved_reference = "abc"\nsubdirectory = "lib"\n'
    '[metadata]\nlock-version = "2.1"\n'
)


def test_the_source_of_a_distribution_with_another_name_is_recorded(
    run: Callable[..., None], environment: Environment, service: Project
) -> None:
    service.lock.write_text(LOCK, "utf-8")
    (service.root / "shelf").mkdir()
    (service.root / "shelf" / "shelf.py").write_text("", "utf-8")

    def poetry(_: Sequence[str], __: Mapping[str, str]) -> tuple[int, str]:
        environments.install(environment, "board", {"board.py": ""})
        environments.install(environment, "shelf", {"shelf.py": ""})
        return 0, "  - Installing board-api (1.0 abc)\n  - Installing shelf-api (1.0 /shelf)"

    run(poetry)
    board, shelf = environment.distributions()
    assert (board.direct, shelf.direct) == (True, True)
    assert board.source == ("https://g.example/board", "lib")
    assert shelf.source == (str((service.root / "shelf").resolve()), None)
    assert list(inventory.damaged(environment)) == []
    locked = lock.read(service.lock)
    assert locked.renamed([board, shelf]) == {"board": "board-api", "shelf": "shelf-api"}
    assert [package.name for package in locked.direct(board)] == ["board-api"]


def test_a_package_that_no_distribution_was_installed_for_is_an_error(
    run: Callable[..., None], environment: Environment, service: Project
) -> None:
    service.lock.write_text(LOCK, "utf-8")

    def poetry(_: Sequence[str], __: Mapping[str, str]) -> tuple[int, str]:
        return 0, "  - Installing shelf-api (1.0 /shelf)"

    with pytest.raises(NoxPexError, match="Poetry installed shelf-api elsewhere"):
        run(poetry)
    assert environment.distributions() == ()
