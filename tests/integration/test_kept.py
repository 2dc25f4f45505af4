"""What Poetry installed for one checkout is taken over by the next one: as Poetry would have left it there."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nox_pex.distributions.environment import Distribution, Environment
from nox_pex.poetry import install_cache, lock
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from tests.support.commands import Result, run
from tests.support.digests import file_digests
from tests.support.nox_project import Project

pytestmark = pytest.mark.integration

TAKEN = "as Poetry installed them from this lock before"


@pytest.fixture
def first(project: Callable[[str], Project], tmp_path: Path) -> Project:
    """A project whose dependencies have scripts, with a cache that has nothing but the tools."""
    made = project("standard")
    settings = (made.root / "pyproject.toml").read_text("utf-8")
    (made.root / "pyproject.toml").write_text(settings.partition("[tool.nox-pex.binary.odd]")[0], "utf-8")
    return made.with_new_cache(tmp_path / "cache")


def another(project: Project, place: str) -> Project:
    """A fresh checkout of the same project."""
    root = project.root.with_name(place) / "checkout"
    shutil.copytree(project.root, root, ignore=shutil.ignore_patterns(".nox", "dist", "__pycache__"))
    return Project(root=root, environ=dict(project.environ))


def environment(project: Project) -> dict[str, str]:
    """Every file of the environment but for bytecode and what this run notes there, with its digest; modes too."""
    root = project.environment()
    own = ("nox-pex.json",)
    return {
        name: f"{digest} {(root / name).stat().st_mode:o}"
        for name, digest in file_digests(root).items()
        if "__pycache__" not in name and name not in own
    }


def run_uvicorn(project: Project) -> Result:
    return run([str(project.environment() / "bin" / "uvicorn"), "--version"], cwd=project.root, env=project.environ)


def replace(file: Path, content: bytes) -> None:
    """Another file in its place: what is kept is a link to what is installed."""
    file.unlink()
    file.write_bytes(content)


def kept(project: Project) -> list[Path]:
    """The directories in which something is kept."""
    home = project.cache / "environments"
    return [path for path in home.iterdir() if path.is_dir()] if home.is_dir() else []


@pytest.mark.parametrize("place", ["second", "with a blank", "long" * 25])
def test_another_checkout_is_as_poetry_would_have_left_it(first: Project, place: str) -> None:
    assert not first.nox("-s", "pex").said(TAKEN)
    bytes_of_first = first.dist()["standard.pex"]
    shutil.rmtree(first.root / ".nox")  # nothing in the second one may lead to it

    second = another(first, place)
    assert second.nox("-s", "pex").said("install: ", TAKEN)
    taken = environment(second)
    assert second.dist()["standard.pex"] == bytes_of_first
    assert second.nox("-s", "install").said("install: unchanged, ")

    assert second.nox("-s", "install", "--", "--force").said("Poetry", "installs from the lock")
    shutil.rmtree(second.environment())
    assert not second.nox("-s", "install", "--", "--force").said(TAKEN)
    assert environment(second) == taken
    uvicorn = (second.environment() / "bin" / "uvicorn").read_text("utf-8")
    assert f"{second.environment()}/bin/python" in uvicorn
    assert run_uvicorn(second).said("uvicorn 0.38.0")


def test_half_a_file_that_a_killed_run_left_does_not_stay(first: Project) -> None:
    first.nox("-s", "install")
    second = another(first, "second")
    second.nox("-s", "install")
    before = environment(second)
    (second.environment() / "nox-pex.json").unlink()
    for noted in second.site_packages().glob("*.dist-info"):
        shutil.rmtree(noted)
    module = second.site_packages() / "uvicorn" / "config.py"
    half = module.read_bytes()[:100]
    module.unlink()
    module.write_bytes(half)
    assert second.nox("-s", "install").said(TAKEN)
    assert environment(second) == before


def test_back_to_an_earlier_lock(first: Project) -> None:
    first.nox("-s", "install")
    before = first.installed()
    first.edit("poetry.lock", "# This file is automatically", "# As it was: this file is automatically")
    assert not first.nox("-s", "install").said(TAKEN)
    first.edit("poetry.lock", "# As it was: this file is automatically", "# This file is automatically")
    assert first.nox("-s", "install").said(TAKEN)
    assert first.installed() == before


@pytest.mark.parametrize("damage", ["changed", "gone", "linked", "record", "entry points", "unreadable"])
def test_what_is_kept_is_damaged(first: Project, damage: str, tmp_path: Path) -> None:
    first.nox("-s", "install")
    (place,) = kept(first)
    module = next(place.glob("lib/*/site-packages/uvicorn/config.py"))
    noted = next(place.glob("lib/*/site-packages/uvicorn-*.dist-info"))
    content = module.read_bytes()
    if damage == "changed":
        replace(module, content + b"# and more\n")
    elif damage == "gone":
        module.unlink()
    elif damage == "linked":
        (tmp_path / "elsewhere.py").write_bytes(content + b"# and more\n")
        module.unlink()
        module.symlink_to(tmp_path / "elsewhere.py")
    elif damage == "record":
        rows = (noted / "RECORD").read_text("utf-8").splitlines(keepends=True)
        replace(noted / "RECORD", "".join(row for row in rows if "uvicorn/config.py" not in row).encode())
    elif damage == "entry points":
        replace(noted / "entry_points.txt", b"garbage\n")
    else:
        (place / "nox-pex.json").write_text("{", "utf-8")
    second = another(first, "second")
    result = second.nox("-s", "install")
    assert not result.said(TAKEN)
    assert environment(second).keys() == environment(first).keys()
    assert another(first, "third").nox("-s", "install").said(TAKEN)  # it was replaced


def test_an_edit_in_one_environment_does_not_reach_another(first: Project) -> None:
    first.nox("-s", "freeze")
    second = another(first, "second")
    second.nox("-s", "install")
    with (first.site_packages() / "uvicorn" / "config.py").open("a") as module:
        module.write("# a line to look into something\n")
    second.nox("-s", "pex")
    assert not another(first, "third").nox("-s", "install").said(TAKEN)
    expected = second.dist()["standard.pex"]
    fourth = another(first, "fourth")
    assert fourth.nox("-s", "pex").said(TAKEN)
    assert fourth.dist()["standard.pex"] == expected


def test_modes_that_someone_changed_do_not_reach_another(first: Project) -> None:
    first.nox("-s", "pex")
    second = another(first, "second")
    for path in first.environment().rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o755)
    assert second.nox("-s", "install").said(TAKEN)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (second.environment() / "bin").glob("uvicorn")}
    assert modes == {"uvicorn": 0o755}
    assert (second.site_packages() / "uvicorn" / "config.py").stat().st_mode & 0o777 == 0o644


def test_a_taking_over_that_was_killed_leaves_nothing_to_poetry(first: Project) -> None:
    """What is left there may be anything, and Poetry would write into it."""
    first.nox("-s", "install")
    second = another(first, "second")
    second.nox("-s", "install")
    (second.environment() / "nox-pex.json").unlink()
    for noted in second.site_packages().glob("*.dist-info"):
        shutil.rmtree(noted)
    (second.site_packages() / "stray.py").write_text("", "utf-8")
    second.edit("poetry.lock", "# This file is automatically", "# As it was: this file is automatically")
    result = second.nox("-s", "install")
    assert result.said("making the environment anew: an install was not finished")
    assert not result.said(TAKEN)
    assert not (second.site_packages() / "stray.py").exists()


def test_a_checkout_that_moved_hands_no_script_on(first: Project) -> None:
    first.nox("-s", "install")
    moved = Project(root=first.root.with_name("moved"), environ=first.environ)
    first.root.rename(moved.root)
    moved.edit("poetry.lock", "# This file is automatically", "# As it was: this file is automatically")
    assert moved.nox("-s", "install").said("poetry.lock changed")  # Poetry finds all in place, with the old scripts
    third = another(moved, "third")
    third.nox("-s", "install")
    assert run_uvicorn(third).said("uvicorn 0.38.0")


def test_an_entry_that_is_exchanged_meanwhile_is_not_taken_over(
    first: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    first.nox("-s", "install")
    second, third = another(first, "second"), another(first, "third")
    second.nox("-s", "install")
    (place,) = kept(first)
    locked = lock.read(first.root / "poetry.lock")
    whole = install_cache._transplant  # noqa: SLF001  # the moment between two distributions
    shell = Shell(environ={}, secrets=Secrets.of({}), say=lambda _: None)
    done: list[str] = []

    def exchanged(distribution: Distribution, **given: Any) -> bool:
        if not done:
            install_cache.CachedInstall(home=place).store(Environment(path=second.environment()), locked, shell=shell)
        done.append(distribution.name)
        return whole(distribution, **given)

    monkeypatch.setattr(install_cache, "_transplant", exchanged)
    into = Environment(path=third.environment())
    into.path.mkdir(parents=True)
    assert not install_cache.CachedInstall(home=place).restore(into)
    assert done


@pytest.mark.parametrize("file", ["pins.txt", "dependencies.pex/PEX-INFO"])
def test_a_dependency_pex_that_someone_changed_is_packed_anew(first: Project, file: str) -> None:
    first.nox("-s", "pex")
    (place,) = (path for path in (first.cache / "dependencies").iterdir() if path.is_dir())
    text = (place / file).read_text("utf-8")
    (place / file).write_text(text.replace("h11==", "h12=="), "utf-8")
    second = another(first, "second")
    second.nox("-s", "pex")
    assert second.dist()["standard.pex"] == first.dist()["standard.pex"]
    assert (place / file).read_text("utf-8") == text


def test_another_index_or_another_word_to_poetry_is_asked_anew(first: Project, tmp_path: Path) -> None:
    first.nox("-s", "install")
    second = another(first, "second")
    second.refused("index-unreachable", "-s", "install", env={"PIP_INDEX_URL": "http://127.0.0.1:9/simple"})
    told = second.nox("-s", "install", "--", "--force", env={"POETRY_INSTALLER_PARALLEL": "false"})
    assert not told.said(TAKEN)
    config = tmp_path / "config"
    config.mkdir()
    (config / "config.toml").write_text("[installer]\nparallel = false\n", "utf-8")
    third = another(first, "third")
    assert not third.nox("-s", "install", env={"POETRY_CONFIG_DIR": str(config)}).said(TAKEN)
    assert another(first, "fourth").nox("-s", "install").said(TAKEN)


def test_what_does_not_come_from_an_index_is_not_kept(project: Callable[[str], Project], first: Project) -> None:
    reader = Project(root=project("path_dependency").root, environ=first.environ)
    reader.nox("-s", "install")
    assert kept(reader) == []


def test_a_cache_that_may_only_be_read(first: Project, tmp_path: Path) -> None:
    first.nox("-s", "pex")
    (tmp_path / "empty").mkdir()
    second, third = another(first, "second"), another(first, "third")
    with read_only(first.cache), read_only(tmp_path / "empty"):
        assert second.nox("-s", "pex").said("install: ", TAKEN)
        assert second.binary("standard").read_bytes() == first.binary("standard").read_bytes()
        assert second.nox("-s", "pex").said("pex: standard unchanged")
        third.environ["NOX_PEX_CACHE_DIR"] = str(tmp_path / "empty")
        line = third.refused("disk-full", "-s", "pex")
    assert str(tmp_path / "empty") in line
    assert "NOX_PEX_CACHE_DIR" in line


@contextlib.contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Mount `directory` over itself, so that not even root may write to it."""
    mounted = subprocess.run(["mount", "--bind", str(directory), str(directory)], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("only root may mount here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(directory)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)
