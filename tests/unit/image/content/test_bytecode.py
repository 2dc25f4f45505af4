from __future__ import annotations

import importlib.util
import marshal
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import python_discovery
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.image.content import bytecode
from nox_pex.image.content.bytecode import LocalCompiler
from nox_pex.oci.layer_store import LayerStore
from nox_pex.oci.layer_writer import Entry, Stream
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from nox_pex.tools.cache import Caches
from tests.support.images import PYTHON

HERE = LocalCompiler(python=Path(sys.executable), version=sys.version.split()[0])
SHELL = Shell(environ=dict(os.environ), secrets=Secrets(), say=lambda _: None)
SOURCES: dict[str, bytes | Stream] = {
    f"/app/m{number}.py": f"NAMES = {{'a', 'b', 'c{number}'}}\ndef f(x): return x in {{'one', 'two'}}\n".encode()
    for number in range(20)
}


def compiled(sources: dict[str, bytes | Stream], scratch: Path) -> dict[str, bytes]:
    scratch.mkdir()
    return {
        path: s.open().read() for path, s in bytecode.compile_all(sources, HERE, scratch=scratch, shell=SHELL).items()
    }


def test_bytecode_is_not_checked_and_names_the_path_in_the_image(tmp_path: Path) -> None:
    found = compiled(SOURCES, tmp_path / "scratch")
    content = found["/app/m1.py"]
    assert content[:8] == importlib.util.MAGIC_NUMBER + b"\1\0\0\0"
    code = marshal.loads(content[16:])  # noqa: S302  # written by this test
    assert code.co_filename == "/app/m1.py"
    assert sorted(found) == sorted(SOURCES)


def test_bytecode_is_the_same_in_any_order_and_in_any_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = compiled(SOURCES, tmp_path / "once")
    monkeypatch.setattr(bytecode, "_FEW", 100)
    monkeypatch.setattr("nox_pex.system.processors.count", lambda: 3)
    assert compiled(dict(reversed(SOURCES.items())), tmp_path / "again") == once


def test_a_source_with_an_error_has_no_bytecode(tmp_path: Path) -> None:
    sources: dict[str, bytes | Stream] = {
        "/app/a.py": b"def (",
        "/app/b.py": b"\0",
        "/app/c.py": b"",
        "/app/d.py": b"\xff",
    }
    assert list(compiled(sources, tmp_path / "scratch")) == ["/app/c.py"]


def test_a_python_that_fails_is_an_error(tmp_path: Path) -> None:
    broken = LocalCompiler(python=Path("/bin/false"), version="3.11.7")
    with pytest.raises(NoxPexError, match=r"/bin/false cannot compile the modules of the image \(exit status 1\)") as e:
        bytecode.compile_all(SOURCES, broken, scratch=tmp_path, shell=SHELL)
    assert e.value.code == "image-build"


@pytest.mark.parametrize("written", ["text", "[1]", '{"path": "/app/m1.py", "size": -1}', '{"path": "a", "size": 9}'])
def test_a_python_that_writes_no_bytecode_is_an_error(tmp_path: Path, written: str) -> None:
    """The Python of a base may write anything."""
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nfor last; do :; done\nprintf '%s\\n' '{written}' > \"$last\"\n", "utf-8")
    script.chmod(0o755)
    lying = LocalCompiler(python=script, version="3.11.7")
    with pytest.raises(NoxPexError, match="writes no bytecode") as e:
        bytecode.compile_all(SOURCES, lying, scratch=tmp_path, shell=SHELL)
    assert e.value.code == "image-build"


def test_only_a_python_of_the_same_minor_version_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    store = LayerStore(caches=Caches(chosen=tmp_path / "cache"))
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for version in (HERE.version, f"{minor}.99", f"{minor}.0rc1"):
        python = replace(PYTHON, version=version)
        assert bytecode.find_compiler(python, store=store, shell=SHELL) == HERE
        assert bytecode.find_compiler(python, store=store, shell=SHELL) == HERE  # from the note
        for other in (replace(python, gil=False), replace(python, implementation="PyPy")):
            assert bytecode.find_compiler(other, store=store, shell=SHELL) is None
    assert bytecode.find_compiler(replace(PYTHON, version="3.99.0"), store=store, shell=SHELL) is None


def test_a_python_with_the_same_patch_release_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _discoverable(sys.executable)
    monkeypatch.setattr(python_discovery, "get_interpreter", lambda *_, **__: found)
    monkeypatch.setattr(sys, "version", "3.1.1 (main)")
    store = LayerStore(caches=Caches(chosen=tmp_path / "cache"))
    python = replace(PYTHON, version=HERE.version)
    assert bytecode.find_compiler(python, store=store, shell=SHELL) == HERE
    monkeypatch.setattr(python_discovery, "get_interpreter", lambda *_, **__: None)
    assert bytecode.find_compiler(python, store=store, shell=SHELL) == HERE  # from the note


def _discoverable(executable: str) -> SimpleNamespace:
    return SimpleNamespace(executable=executable)


def test_bytecode_replaces_a_file_of_the_same_path() -> None:
    stale = Entry(path="a/__pycache__/m.cpython-311.pyc", content=b"stale")
    module = Entry(path="a/m.py", content=b"")
    new = Stream(size=0, open=lambda: None)  # type: ignore[arg-type,return-value]
    found = list(bytecode.with_bytecode([stale, module], {"/app/a/m.py": new}, root="/app", minor="3.11"))
    assert found == [module, Entry(path=stale.path, content=new)]
