"""The build record names the commit and the version of the checkout, also if the binary did not have to be built."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.git_repository import GitRepository
from tests.support.monorepo import rebuild_reasons
from tests.support.nox_project import Project

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="Git is not installed")

IGNORED = ".nox\ndist\n__pycache__\n*.log\n"


def unchanged(project: Project, name: str) -> dict[str, Any]:
    """Run `pex`, which must find the binary unchanged. Return `git` in its record, and assert that the rest is left."""
    before = project.dist()
    result = project.nox("-s", "pex")
    assert result.said(f"pex: {name} unchanged"), result.output
    after = project.dist()
    assert {file for file in before if after[file] != before[file]} <= {f"{name}.pex.json"}
    assert before.keys() == after.keys()
    found: dict[str, Any] = project.record(name)["git"]
    return found


def test_the_record_of_an_unchanged_binary_follows_the_checkout(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    repository = GitRepository(root=loose.root, environ=loose.environ)
    assert unchanged(loose, "loose") is None
    (loose.root / ".gitignore").write_text(IGNORED, "utf-8")
    repository.git("init", "--quiet")
    assert unchanged(loose, "loose") is None  # there is no commit yet
    first = repository.commit()
    assert unchanged(loose, "loose") == {"commit": first, "dirty": False}
    written = (loose.root / "dist" / "loose.pex.json").stat().st_mtime_ns
    assert unchanged(loose, "loose") == {"commit": first, "dirty": False}
    assert (loose.root / "dist" / "loose.pex.json").stat().st_mtime_ns == written

    # A new version is no input of the binary of loose modules.
    loose.edit("pyproject.toml", 'version = "1.2.3"', 'version = "1.3.0"')
    assert unchanged(loose, "loose") == {"commit": first, "dirty": True}
    assert loose.record("loose")["version"] == "1.3.0"
    second = repository.commit()
    assert unchanged(loose, "loose") == {"commit": second, "dirty": False}
    repository.git("commit", "--quiet", "--amend", "--message", "Another message")
    amended = repository.git("rev-parse", "HEAD")
    assert unchanged(loose, "loose") == {"commit": amended, "dirty": False}
    repository.git("tag", "v1.3.0")
    repository.git("checkout", "--quiet", "--detach", "v1.3.0")
    (loose.root / "notes.txt").touch()  # neither ships nor is committed
    (loose.root / "wares" / "a.log").touch()  # Git ignores it, so it does not ship
    assert unchanged(loose, "loose") == {"commit": amended, "dirty": False}

    (loose.root / "wares" / "stock.txt").write_text("eight pears\n", "utf-8")
    assert loose.nox("-s", "pex").said("rebuilding loose: wares/stock.txt changed")
    assert loose.record("loose")["git"] == {"commit": amended, "dirty": True}
    third = repository.commit()
    assert unchanged(loose, "loose") == {"commit": third, "dirty": False}


def test_a_change_in_a_path_dependency_is_not_in_the_commit_whichever_repository_it_is_in(
    built: Callable[[str], Project],
) -> None:
    reader = built("path_dependency")
    (reader.root / ".gitignore").write_text(f"{IGNORED}shelf\n", "utf-8")
    outer = GitRepository(root=reader.root, environ=reader.environ)
    first = outer.commit()
    assert unchanged(reader, "reader") == {"commit": first, "dirty": True}  # Git ignores the dependency
    inner = GitRepository(root=reader.root / "shelf", environ=reader.environ)
    (inner.root / ".gitignore").write_text(IGNORED, "utf-8")
    inner.commit()
    reader.nox("-s", "pex")  # the new file is an input of the dependency
    assert unchanged(reader, "reader") == {"commit": first, "dirty": False}
    reader.append("shelf/src/shelf/__init__.py", "MORE = 1\n")
    assert reader.nox("-s", "pex").said("rebuilding reader")
    assert reader.record("reader")["git"] == {"commit": first, "dirty": True}
    inner.commit()
    assert unchanged(reader, "reader") == {"commit": first, "dirty": False}
    # Neither a setting of another step nor one of another tool is an input of the dependency.
    reader.append(
        "shelf/pyproject.toml", "\n[tool.nox-pex.binary.x.smoke]\nsoak = 1.0\n[tool.ruff]\nline-length = 100\n"
    )
    assert unchanged(reader, "reader") == {"commit": first, "dirty": True}


def test_in_a_monorepo_only_the_services_that_a_change_reaches_are_dirty(shop: Project) -> None:
    (shop.root / ".gitignore").write_text(IGNORED, "utf-8")
    repository = GitRepository(root=shop.root, environ=shop.environ)
    commit = repository.commit()

    def dirty() -> set[str]:
        found = set()
        for name in ("api", "clock", "worker"):
            git = Project(root=shop.root / "services" / name, environ=shop.environ).record(name)["git"]
            assert git["commit"] == commit
            found |= {name} if git["dirty"] else set()
        return found

    assert rebuild_reasons(shop, "-s", "pex") == {}
    assert dirty() == set()
    shop.append("nox-pex.toml", "\n# a comment\n")  # the settings that the other two extend
    assert rebuild_reasons(shop, "-s", "pex") == {}
    assert dirty() == {"api", "worker"}
    repository.git("checkout", "--quiet", "nox-pex.toml")
    (shop.root / "services" / "clock" / "clock" / "more.py").touch()
    assert set(rebuild_reasons(shop, "-s", "pex")) == {"clock"}
    assert dirty() == {"clock"}
    library = next((shop.root / "libs" / "greetings").rglob("*.py"))
    with library.open("a", encoding="utf-8") as file:
        file.write("MORE = 1\n")
    assert set(rebuild_reasons(shop, "-s", "pex")) == {"api", "worker"}
    assert dirty() == {"api", "clock", "worker"}
