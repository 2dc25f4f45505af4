from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nox_pex.system import recipe
from nox_pex.version import __version__


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout of nox-pex with few modules, whose package is the one that `recipe` looks at."""
    directory = tmp_path / "tasks" / "nox_pex"
    for name in ("errors.py", "pex/target.py", "smoke/run.py", "verify/gates/leaks.py", "image/run.py"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text("1\n", "utf-8")
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(recipe, "_PACKAGE", directory)
    yield directory
    recipe.digest.cache_clear()


def digest() -> str:
    recipe.digest.cache_clear()
    return recipe.digest()


def test_an_installed_package_has_its_version(package: Path) -> None:
    (package.parents[1] / "pyproject.toml").unlink()
    assert digest() == __version__


def test_a_checkout_has_its_version_and_a_digest_of_its_code(package: Path) -> None:
    version, _, code = digest().partition(" ")
    assert version == __version__
    assert len(code) == 16
    assert package.is_dir()
    assert digest() == f"{version} {code}"


@pytest.mark.parametrize("name", ["errors.py", "pex/target.py", "system/smoke.py"])
def test_a_change_in_the_code_that_builds_changes_the_digest(package: Path, name: str) -> None:
    before = digest()
    (package / name).parent.mkdir(exist_ok=True)
    (package / name).write_text("2\n", "utf-8")
    assert digest() != before


def test_a_module_that_moves_changes_the_digest(package: Path) -> None:
    before = digest()
    (package / "pex" / "target.py").rename(package / "pex" / "targets.py")
    assert digest() != before


@pytest.mark.parametrize("name", ["smoke/run.py", "verify/gates/leaks.py", "image/new.py", "pex/README.md"])
def test_a_change_in_code_that_runs_after_the_build_does_not(package: Path, name: str) -> None:
    before = digest()
    (package / name).write_text("2\n", "utf-8")
    assert digest() == before
