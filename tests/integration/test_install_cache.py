"""The install cache: another checkout restores what Poetry installed for the first one, as Poetry would leave it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nox_pex.distributions.environment import Distribution, Environment
from nox_pex.poetry import install_cache, install_state, lock
from nox_pex.system import locks
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from tests.support.commands import Result, run
from tests.support.digests import file_digests
from tests.support.mounts import read_only
from tests.support.nox_project import Project

RESTORED = "restored from the install cache"


@pytest.fixture
def first(project: Callable[[str], Project], tmp_path: Path) -> Project:
    """A project whose dependencies have scripts, with a cache that contains only the tools."""
    standard = project("standard")
    settings = (standard.root / "pyproject.toml").read_text("utf-8")
    (standard.root / "pyproject.toml").write_text(settings.partition("[tool.nox-pex.binary.odd]")[0], "utf-8")
    return standard.with_new_cache(tmp_path / "cache")


@pytest.fixture
def known(first: Project, environ: dict[str, str], shared: Path) -> Project:
    """The project `first`. Another checkout has left its install in the cache, once in this run of pytest."""
    kept = shared / "built" / "install-cache"
    with locks.locked(shared / "built" / "install-cache.lock", waiting=lambda: None):
        if not (kept / "complete").exists():
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(first.root, kept / "checkout")
            Project(root=kept / "checkout", environ=environ).with_new_cache(kept / "cache").nox("-s", "install")
            (kept / "complete").touch()
    shutil.copytree(kept / "cache" / "environments", first.cache / "environments", symlinks=True)
    return first


def another_checkout(project: Project, name: str) -> Project:
    """A fresh checkout of the same project, in the directory `name`."""
    root = project.root.with_name(name) / "checkout"
    shutil.copytree(project.root, root, ignore=shutil.ignore_patterns(".nox", "dist", "__pycache__"))
    return Project(root=root, environ=dict(project.environ))


def environment(project: Project) -> dict[str, str]:
    """Digest and mode of every file in the environment, without bytecode."""
    root = project.environment()
    return {
        name: f"{digest} {(root / name).stat().st_mode:o}"
        for name, digest in file_digests(root).items()
        if "__pycache__" not in name
    }


def run_uvicorn(project: Project) -> Result:
    return run([str(project.environment() / "bin" / "uvicorn"), "--version"], cwd=project.root, env=project.environ)


def replace(file: Path, content: bytes) -> None:
    """Put another file in its place. Writing into it would change the environment, which shares it by a hard link."""
    file.unlink()
    file.write_bytes(content)


def cached_installs(project: Project) -> list[Path]:
    """The directories of the install cache."""
    home = project.cache / "environments"
    return [path for path in home.iterdir() if path.is_dir()] if home.is_dir() else []


def test_a_restored_environment_equals_one_that_poetry_installs(first: Project) -> None:
    assert not first.nox("-s", "pex").said(RESTORED)
    bytes_of_first = first.dist()["standard.pex"]
    shutil.rmtree(first.root / ".nox")  # no file of another environment may depend on it

    others = [another_checkout(first, name) for name in ("second", "with a blank", "long" * 25)]
    restored = []
    for other in others:
        assert other.nox("-s", "pex").said("install: ", RESTORED)
        restored.append(environment(other))
        assert other.dist()["standard.pex"] == bytes_of_first
        assert other.nox("-s", "install").said("install: unchanged, ")

    for other, before in zip(others, restored, strict=True):
        assert other.nox("-s", "install", "--", "--force").said("Poetry", "installs from the lock")
        shutil.rmtree(other.environment())
        assert not other.nox("-s", "install", "--", "--force").said(RESTORED)
        assert environment(other) == before
        uvicorn = (other.environment() / "bin" / "uvicorn").read_text("utf-8")
        assert f"{other.environment()}/bin/python" in uvicorn
        assert run_uvicorn(other).said("uvicorn 0.38.0")


def test_an_incomplete_file_of_a_killed_run_is_replaced(known: Project) -> None:
    known.nox("-s", "install")
    second = another_checkout(known, "second")
    second.nox("-s", "install")
    before = environment(second)
    install_state.remove(Environment(path=second.environment()))
    for dist_info in second.site_packages().glob("*.dist-info"):
        shutil.rmtree(dist_info)
    module = second.site_packages() / "uvicorn" / "config.py"
    incomplete = module.read_bytes()[:100]
    module.unlink()
    module.write_bytes(incomplete)
    assert second.nox("-s", "install").said(RESTORED)
    assert environment(second) == before


def test_an_earlier_lock_restores_its_environment(known: Project) -> None:
    known.nox("-s", "install")
    before = known.installed()
    known.edit("poetry.lock", "# This file is automatically", "# As it was: this file is automatically")
    assert not known.nox("-s", "install").said(RESTORED)
    known.edit("poetry.lock", "# As it was: this file is automatically", "# This file is automatically")
    assert known.nox("-s", "install").said(RESTORED)
    assert known.installed() == before


BUMP = (
    ('"3.20"\ndescription = "Internationalized', '"3.10"\ndescription = "Internationalized'),
    ("idna-3.20-py3-none-any.whl", "idna-3.10-py3-none-any.whl"),
    (
        "ab7ae7122974553370f0bdb919e1a960b2cd1bc1ef0276416d896db81c14582c",
        "946d195a0d259cbba61165e88e65941f16e9b36ea6ddb97f00452bae8b1287d3",
    ),
)
"""A change of the lock: another version of `idna`."""


def test_after_a_bump_only_the_difference_is_installed_and_the_result_is_that_of_a_fresh_install(
    first: Project,
) -> None:
    first.nox("-s", "freeze")
    second = another_checkout(first, "second")
    for checkout in (second, first):
        for old, new in BUMP:
            checkout.edit("poetry.lock", old, new)
    bumped = second.nox("-s", "install", "--verbose")
    assert bumped.said("distributions are the same in a lock that is in the install cache")
    assert bumped.said("1 install, 0 updates, 0 removals")
    shutil.rmtree(first.cache / "environments")  # it has the new lock now
    assert first.nox("-s", "freeze", "--verbose").said("0 installs, 1 update, 0 removals")
    for checkout in (second, first):
        assert "idna-3.10" in checkout.installed()
        before = environment(checkout)
        shutil.rmtree(checkout.environment())
        assert not checkout.nox("-s", "install", "--", "--force").said("are the same")
        assert environment(checkout) == before


@pytest.mark.parametrize("damage", ["changed", "gone", "linked", "record", "entry points", "unreadable"])
def test_a_damaged_cache_entry_is_not_restored_and_is_replaced(known: Project, damage: str, tmp_path: Path) -> None:
    known.nox("-s", "install")
    (entry,) = cached_installs(known)
    module = known.site_packages() / "uvicorn" / "config.py"
    module = entry / "files" / install_cache.place(str(module.relative_to(known.environment())))
    (dist_info,) = entry.glob("files/info/lib/*/site-packages/uvicorn-*.dist-info")
    content = module.read_bytes()
    if damage == "changed":
        replace(module, content + b"# and more\n")
    elif damage == "gone":
        module.unlink()
    elif damage == "linked":
        (tmp_path / "another.py").write_bytes(content + b"# and more\n")
        module.unlink()
        module.symlink_to(tmp_path / "another.py")
    elif damage == "record":
        rows = (dist_info / "RECORD").read_text("utf-8").splitlines(keepends=True)
        replace(dist_info / "RECORD", "".join(row for row in rows if "uvicorn/config.py" not in row).encode())
    elif damage == "entry points":
        replace(dist_info / "entry_points.txt", b"garbage\n")
    else:
        (entry / "manifest.json").write_text("{", "utf-8")
    second = another_checkout(known, "second")
    result = second.nox("-s", "install")
    assert not result.said(RESTORED)
    assert environment(second).keys() == environment(known).keys()
    assert another_checkout(known, "third").nox("-s", "install").said(RESTORED)  # the entry was replaced


def test_an_edit_in_one_environment_does_not_reach_another(first: Project) -> None:
    first.nox("-s", "freeze")
    second = another_checkout(first, "second")
    second.nox("-s", "install")
    with (first.site_packages() / "uvicorn" / "config.py").open("a") as module:
        module.write("# an edit in place, as a user makes to debug something\n")
    second.nox("-s", "pex")
    assert not another_checkout(first, "third").nox("-s", "install").said(RESTORED)
    expected = second.dist()["standard.pex"]
    fourth = another_checkout(first, "fourth")
    assert fourth.nox("-s", "pex").said(RESTORED)
    assert fourth.dist()["standard.pex"] == expected


def test_changed_modes_in_one_environment_do_not_reach_another(first: Project) -> None:
    first.nox("-s", "pex")
    second = another_checkout(first, "second")
    for path in first.environment().rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o755)
    assert second.nox("-s", "install").said(RESTORED)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (second.environment() / "bin").glob("uvicorn")}
    assert modes == {"uvicorn": 0o755}
    assert (second.site_packages() / "uvicorn" / "config.py").stat().st_mode & 0o777 == 0o644


def test_poetry_never_installs_into_the_rest_of_a_killed_restore(known: Project) -> None:
    """The rest may contain anything, and Poetry would leave it there."""
    known.nox("-s", "install")
    second = another_checkout(known, "second")
    second.nox("-s", "install")
    install_state.remove(Environment(path=second.environment()))
    for dist_info in second.site_packages().glob("*.dist-info"):
        shutil.rmtree(dist_info)
    (second.site_packages() / "stray.py").write_text("", "utf-8")
    second.edit("poetry.lock", "# This file is automatically", "# As it was: this file is automatically")
    result = second.nox("-s", "install")
    assert result.said(
        "creating the environment again: the last install did not finish, or another version of nox-pex made it"
    )
    assert not result.said(RESTORED)
    assert not (second.site_packages() / "stray.py").exists()


def test_scripts_of_a_moved_checkout_do_not_get_into_the_cache(first: Project) -> None:
    first.nox("-s", "install")
    moved = Project(root=first.root.with_name("moved"), environ=first.environ)
    first.root.rename(moved.root)
    moved.edit("poetry.lock", "# This file is automatically", "# As it was: this file is automatically")
    # Poetry changes nothing, so the scripts still name the old path.
    assert moved.nox("-s", "install").said("poetry.lock changed")
    third = another_checkout(moved, "third")
    third.nox("-s", "install")
    assert run_uvicorn(third).said("uvicorn 0.38.0")


def test_an_entry_that_is_replaced_while_it_is_restored_is_not_used(
    known: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.nox("-s", "install")
    second, third = another_checkout(known, "second"), another_checkout(known, "third")
    second.nox("-s", "install")
    (entry,) = cached_installs(known)
    cached = install_cache.CachedInstall(home=entry, family="")
    locked = lock.read(known.root / "poetry.lock")
    transplant = install_cache._copy_distribution  # noqa: SLF001  # called for one distribution after the other
    shell = Shell(environ={}, secrets=Secrets.of({}), say=lambda _: None)
    restored: list[str] = []

    def replace_first(distribution: Distribution, **options: Any) -> bool:
        if not restored:
            install_cache.CachedInstall(home=entry, family="all").store(
                Environment(path=second.environment()), locked, shell=shell
            )
        restored.append(distribution.name)
        return transplant(distribution, **options)

    monkeypatch.setattr(install_cache, "_copy_distribution", replace_first)
    into = Environment(path=third.environment())
    into.path.mkdir(parents=True)
    assert not cached.restore(into)
    assert restored


@pytest.mark.parametrize("file", ["pins.txt", "dependencies.pex/PEX-INFO"])
def test_a_dependency_pex_that_was_changed_is_packed_again(known: Project, file: str) -> None:
    table = "[tool.nox-pex.binary.standard]\n"
    known.edit("pyproject.toml", table, f'{table}layout = "packed"\n')  # pex alone writes it
    known.nox("-s", "pex")
    (entry,) = (path for path in (known.cache / "dependencies").iterdir() if path.is_dir())
    text = (entry / file).read_text("utf-8")
    (entry / file).write_text(text.replace("h11==", "h12=="), "utf-8")
    second = another_checkout(known, "second")
    second.nox("-s", "pex")
    assert second.dist()["standard.pex"] == known.dist()["standard.pex"]
    assert (entry / file).read_text("utf-8") == text


def test_another_index_and_another_configuration_of_poetry_do_not_restore(
    known: Project, unreachable_index: str, tmp_path: Path
) -> None:
    known.nox("-s", "install")
    second = another_checkout(known, "second")
    second.refused("index-unreachable", "-s", "install", env={"PIP_INDEX_URL": unreachable_index})
    result = second.nox("-s", "install", "--", "--force", env={"POETRY_INSTALLER_PARALLEL": "false"})
    assert not result.said(RESTORED)
    config = tmp_path / "config"
    config.mkdir()
    (config / "config.toml").write_text("[installer]\nparallel = false\n", "utf-8")
    third = another_checkout(known, "third")
    assert not third.nox("-s", "install", env={"POETRY_CONFIG_DIR": str(config)}).said(RESTORED)
    assert another_checkout(known, "fourth").nox("-s", "install").said(RESTORED)


def test_an_environment_with_a_path_dependency_is_not_stored(project: Callable[[str], Project], first: Project) -> None:
    reader = Project(root=project("path_dependency").root, environ=first.environ)
    reader.nox("-s", "install")
    assert cached_installs(reader) == []


def test_a_read_only_cache_is_used_and_an_empty_one_is_an_error(known: Project, tmp_path: Path) -> None:
    known.nox("-s", "pex")
    (tmp_path / "empty").mkdir()
    second, third = another_checkout(known, "second"), another_checkout(known, "third")
    with read_only(known.cache), read_only(tmp_path / "empty"):
        assert second.nox("-s", "pex").said("install: ", RESTORED)
        assert second.binary("standard").read_bytes() == known.binary("standard").read_bytes()
        assert second.nox("-s", "pex").said("pex: standard unchanged")
        third.environ["NOX_PEX_CACHE_DIR"] = str(tmp_path / "empty")
        line = third.refused("disk-full", "-s", "pex")
    assert str(tmp_path / "empty") in line
    assert "NOX_PEX_CACHE_DIR" in line
