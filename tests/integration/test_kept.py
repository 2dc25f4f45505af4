"""What Poetry installed for one checkout is taken over by the next one: as Poetry would have left it there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.harness import Project, run, seeds

pytestmark = pytest.mark.integration

TAKEN = "as Poetry installed them from this lock before"


@pytest.fixture
def first(project: Callable[[str], Project], tmp_path: Path) -> Project:
    """A project whose dependencies have scripts, with a cache that has nothing but the tools."""
    made = project("standard")
    settings = (made.root / "pyproject.toml").read_text("utf-8")
    (made.root / "pyproject.toml").write_text(settings.partition("[tool.nox-pex.binary.odd]")[0], "utf-8")
    return made.cold(tmp_path / "cache")


def another(project: Project, place: str) -> Project:
    """A fresh checkout of the same project."""
    root = project.root.with_name(place) / "checkout"
    shutil.copytree(project.root, root, ignore=shutil.ignore_patterns(".nox", "dist", "__pycache__"))
    return Project(root=root, environ=project.environ)


def environment(project: Project) -> dict[str, str]:
    """Every file of the environment but for bytecode and what this run notes there, with its digest; modes too."""
    root = project.environment()
    own = ("nox-pex.json",)
    return {
        name: f"{digest} {(root / name).stat().st_mode:o}"
        for name, digest in seeds(root)
        if "__pycache__" not in name and name not in own
    }


def kept(project: Project) -> list[Path]:
    """The directories in which something is kept."""
    home = Path(project.environ["NOX_PEX_CACHE_DIR"]) / "environments"
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
    done = run([str(second.environment() / "bin" / "uvicorn"), "--version"], cwd=second.root, env=second.environ)
    assert (done.status, done.said("uvicorn 0.38.0")) == (0, True)


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


@pytest.mark.parametrize("damage", ["changed", "gone", "record", "unreadable"])
def test_what_is_kept_is_damaged(first: Project, damage: str) -> None:
    first.nox("-s", "install")
    (place,) = kept(first)
    module = next(place.glob("lib/*/site-packages/uvicorn/config.py"))
    if damage == "changed":
        content = module.read_bytes()
        module.unlink()  # it is a link to what is installed
        module.write_bytes(content + b"# and more\n")
    elif damage == "gone":
        module.unlink()
    elif damage == "record":
        record = next(place.glob("lib/*/site-packages/uvicorn-*.dist-info/RECORD"))
        rows = record.read_text("utf-8").splitlines(keepends=True)
        record.unlink()
        record.write_text("".join(row for row in rows if "uvicorn/config.py" not in row), "utf-8")
    else:
        (place / "nox-pex.json").write_text("{", "utf-8")
    second = another(first, "second")
    result = second.nox("-s", "install")
    assert not result.said(TAKEN)
    assert environment(second).keys() == environment(first).keys()
    assert another(first, "third").nox("-s", "install").said(TAKEN)  # it was replaced


def test_an_edit_in_one_environment_does_not_ship_from_another(first: Project) -> None:
    first.nox("-s", "install")
    second = another(first, "second")
    second.nox("-s", "freeze")
    with (first.site_packages() / "uvicorn" / "config.py").open("a") as module:
        module.write("# a line to look into something\n")  # in place: a link of the other one, too
    assert "uvicorn" in second.refused("integrity", "-s", "pex")
    second.nox("-s", "install", "--", "--force")
    second.nox("-s", "pex")
    assert another(first, "third").nox("-s", "pex").said(TAKEN)


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
