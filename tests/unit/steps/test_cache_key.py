from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from nox_pex.distributions.interpreter import BasePython
from nox_pex.steps import cache_key
from nox_pex.steps.context import Context
from nox_pex.tools import pinned
from tests.unit.steps.conftest import MakeContext


def key(context: Context) -> str:
    lines: list[str] = []
    cache_key.run(replace(context, emit=lines.append))
    (line,) = lines
    return line


@pytest.fixture
def context(make_context: MakeContext, tmp_path: Path) -> Context:
    (tmp_path / "poetry.lock").write_text("# a lock\n", "utf-8")
    return make_context()


def test_the_key_begins_with_the_project_and_the_python(context: Context) -> None:
    found = key(context)
    assert found.startswith("nox-pex-shop-pypython-")
    assert re.fullmatch(r"[A-Za-z0-9._-]+-[0-9a-f]{16}", found)
    assert key(replace(context, base=BasePython(name="3.12", find=Path))).startswith("nox-pex-shop-py3.12-")


def test_the_python_of_nox_is_named_by_its_version(context: Context) -> None:
    this = BasePython(name=str(Path(sys.executable).resolve()), find=Path)
    version = ".".join(map(str, sys.version_info[:3]))
    assert key(replace(context, base=this)).startswith(f"nox-pex-shop-py{version}-")


def test_the_key_changes_with_the_lock(context: Context) -> None:
    before = key(context)
    assert key(context) == before
    context.project.lock.write_text("# another lock\n", "utf-8")
    after = key(context)
    assert after != before
    assert after.rpartition("-")[0] == before.rpartition("-")[0]


@pytest.mark.parametrize("tool", ["POETRY", "PEX"])
def test_the_key_changes_with_a_tool(context: Context, monkeypatch: pytest.MonkeyPatch, tool: str) -> None:
    before = key(context)
    monkeypatch.setattr(pinned, tool, "0.1")
    assert key(context) != before
