"""The shared cache and the tools in it: who may write to it, and which files the tools consist of."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.errors import NoxPexError
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from nox_pex.tools import pinned
from nox_pex.tools.cache import Caches
from nox_pex.tools.provision import Provisioner, find_uv
from tests.support.commands import clean_environ
from tests.support.file_server import serve_files
from tests.support.nox_project import Project

FAKE = {
    "pex/__init__.py": "",
    f"pex-{pinned.PEX}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: pex\nVersion: {pinned.PEX}\n",
    f"pex-{pinned.PEX}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"pex-{pinned.PEX}.dist-info/RECORD": "",
}
"""The files of a wheel with pex's name and version."""


@pytest.mark.parametrize("with_uv", [True, False])
def test_a_tool_with_another_hash_is_not_installed(tmp_path: Path, *, with_uv: bool) -> None:
    page = tmp_path / "index" / "simple" / "pex"
    page.mkdir(parents=True)
    wheel = page / f"pex-{pinned.PEX}-py2.py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in FAKE.items():
            archive.writestr(name, text)
    (page / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>', "utf-8")
    python = Interpreter(implementation="CPython", version="3", executable=Path(sys.executable).resolve())
    with serve_files(tmp_path / "index") as server:
        index = {"PIP_INDEX_URL": f"{server.url.rstrip('/')}/simple/", "PIP_CONFIG_FILE": os.devnull, "no_proxy": "*"}
        shell = Shell(environ={**clean_environ(), **index}, secrets=Secrets(), say=lambda _: None)
        uv = find_uv(shell.environ) if with_uv else None
        provisioner = Provisioner(shell=shell, caches=Caches(chosen=tmp_path / "cache"), uv=uv)
        with pytest.raises(NoxPexError) as caught:
            pinned.provide_pex(provisioner, None, interpreter=python)
    assert caught.value.code == "hash-mismatch"
    assert f"pex=={pinned.PEX}" in caught.value.problem
    assert list((tmp_path / "cache" / "tools").glob("pex-*/nox-pex.json")) == []


def test_an_unsafe_cache_is_refused_by_every_session_that_uses_it(
    built: Callable[[str], Project], tmp_path: Path
) -> None:
    loose = built("loose")
    project = loose.with_new_cache(tmp_path / "cache")
    project.nox("-s", "pex", "--", "--force")
    for name in ("", "packed", "runtimes", "urls"):
        directory = tmp_path / "cache" / name
        directory.chmod(0o777)
        line = project.refused("cache-unsafe", "-s", "pex", "--", "--force")
        assert f"{directory} may be written to by others" in line
        directory.chmod(0o700)
    os.mkfifo(tmp_path / "fifo")
    for value, code in ((tmp_path / "fifo", "cache-unsafe"), ("~nobody-has-this-name/x", "config"), ("/", "config")):
        other = replace(project, environ={**project.environ, "NOX_PEX_CACHE_DIR": str(value)})
        assert str(value) in other.refused(code, "-s", "pex", "--", "--force")
    project.nox("-s", "pex")
