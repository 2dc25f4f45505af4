"""Somebody changed the shared tools, so each build is wrong in the same way. `verify` does not use them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.steps import freeze, install, pex, verify
from nox_pex.tools.cache import Caches
from tests.support.mounts import file_system
from tests.support.workbench import PROJECTS, Workbench

POETRY = """
_write = WheelDestination.write_to_fs

def write_to_fs(self, scheme, path, stream, is_executable):
    import io

    planted = b"# planted by Poetry" if path == "idna/core.py" else b""
    return _write(self, scheme, path, io.BytesIO(stream.read() + planted), is_executable)

WheelDestination.write_to_fs = write_to_fs
"""
CHANGES = {
    "pex-*/lib/python*/site-packages/pex/pex_bootstrapper.py": "# planted by pex",
    "poetry-*/lib/python*/site-packages/poetry/installation/wheel_installer.py": POETRY,
    "build-*/lib/python*/site-packages/poetry/core/__init__.py": '__version__ += "+planted"',
}
"""Files of the shared tools, and the lines that are appended to them."""


@pytest.fixture
def bench(packaged: Workbench, scratch: Path, tmp_path: Path) -> Workbench:
    """The project with a separate cache, in which the tools are copies of the real ones."""
    environ = {**packaged.environ, "NOX_PEX_CACHE_DIR": str(scratch / "cache")}
    tools = Caches.of(packaged.environ).tools
    shutil.copytree(tools, Caches.of(environ).tools, symlinks=True, dirs_exist_ok=True)
    shutil.copytree(PROJECTS / "packaged", tmp_path / "project")
    return Workbench(root=tmp_path / "project", environ=environ)


def change(tools: Path) -> None:
    for pattern, text in CHANGES.items():
        (file,) = tools.glob(pattern)
        with file.open("a", encoding="utf-8") as stream:
            stream.write(f"\n{text}\n")


def test_a_binary_of_changed_tools_fails_and_each_changed_member_is_named(bench: Workbench) -> None:
    change(Caches.of(bench.environ).tools)
    bench.build()
    with pytest.raises(NoxPexError):
        verify.run(bench.context())
    value = json.loads((bench.root / "dist" / "greeting-cards.verify.json").read_text("utf-8"))
    (found,) = [gate for gate in value["gates"] if gate["gate"] == "reproducible"]
    assert found["state"] == "failed"
    differences = "\n".join(found["details"]["differences"])
    assert ".bootstrap: pex/pex_bootstrapper.py has different content" in differences
    assert "idna/core.py has different content" in differences
    assert "greeting_cards-0.4.0.dist-info/WHEEL has different content" in differences


def test_tools_that_cannot_be_installed_again_fail_the_gates_that_need_them(
    packaged: Workbench, tmp_path: Path, unreachable_index: str
) -> None:
    shutil.copytree(packaged.root, tmp_path / "project", symlinks=True)
    bench = Workbench(root=tmp_path / "project", environ=packaged.environ)
    environ = {"PIP_INDEX_URL": unreachable_index, "PIP_CONFIG_FILE": os.devnull, "UV_HTTP_RETRIES": "0"}
    with pytest.raises(NoxPexError) as caught:
        verify.run(bench.context(environ={**environ, "no_proxy": "*"}))
    assert caught.value.code == "index-unreachable"
    value = json.loads((bench.root / "dist" / "greeting-cards.verify.json").read_text("utf-8"))
    states = {gate["gate"]: gate["state"] for gate in value["gates"]}
    assert states["closure"] == states["reproducible"] == "failed"
    assert value["passed"] is False


def test_a_tool_shares_no_file_with_the_cache_of_its_installer(packaged: Workbench) -> None:
    for pattern in CHANGES:
        if not pattern.startswith("pex"):  # pex itself links its own files into its cache
            (file,) = Caches.of(packaged.environ).tools.glob(pattern)
            assert file.stat().st_nlink == 1


def test_a_tmpdir_in_which_no_program_can_run_changes_neither_the_binary_nor_the_verdict(
    packaged: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp ö"
    temporary.mkdir()
    shutil.copytree(PROJECTS / "packaged", tmp_path / "project")
    bench = Workbench(root=tmp_path / "project", environ={**packaged.environ, "TMPDIR": str(temporary)})
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with file_system(temporary, "noexec"):
        context = bench.context()
        for step in (install, freeze, pex, verify):
            step.run(context)
        assert list(temporary.iterdir()) == []
    assert bench.binary("greeting-cards").read_bytes() == packaged.binary("greeting-cards").read_bytes()
