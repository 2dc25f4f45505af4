"""The package index has what nox-pex needs on Python 3.14, as wheels: dependencies, groups, and its own tools."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import uv

from nox_pex.tools import pinned
from nox_pex.tools.locked import Locked
from tests.support.commands import run
from tests.support.nox_project import CHECKOUT
from tests.support.published import index_environ


def test_the_dependencies_of_all_groups_resolve_to_wheels(tmp_path: Path) -> None:
    groups = [f"--group={name}" for name in ("lint", "types", "docs", "test")]
    argv = [uv.find_uv_bin(), "pip", "compile", "pyproject.toml", "--all-extras", *groups]
    options = ["--python-version=3.14", "--only-binary=:all:", f"--output-file={tmp_path / 'requirements.txt'}"]
    result = run([*argv, *options, "--no-config", "--quiet"], cwd=CHECKOUT, env={**os.environ, **index_environ()})
    assert result.status == 0, result.output
    resolved = (tmp_path / "requirements.txt").read_text("utf-8")
    assert "\nmsgspec==" in resolved
    assert "backports-zstd" not in resolved


@pytest.mark.parametrize(
    "locked", [each for each in pinned.LOCKED if "poetry-core" not in each.name], ids=lambda each: each.name
)
def test_the_pinned_tools_are_installed_on_it_by_the_hashes_that_nox_pex_contains(
    locked: Locked, tmp_path: Path
) -> None:
    argv = [uv.find_uv_bin(), "pip", "install", "--dry-run", "--require-hashes", f"--requirement={locked.file}"]
    options = ["--python-version=3.14", "--only-binary=:all:", f"--target={tmp_path}", "--no-config"]
    result = run([*argv, *options], cwd=tmp_path, env={**os.environ, **index_environ()})
    assert result.status == 0, result.output
    assert f"+ {locked.requirements[0]}" in result.output
