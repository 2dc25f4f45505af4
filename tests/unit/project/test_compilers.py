from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from nox_pex.project import compilers

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]


def write_python(path: Path, **known: str) -> Path:
    """Write a stand-in for a Python whose sysconfig has the variables `known`."""
    values = {"LDSHARED": "", "CC": "gcc", "LDCXXSHARED": "g++ -shared", "CXX": "g++", **known}
    text = ", ".join(f'"{name}": "{value}"' for name, value in values.items())
    path.write_text(f"#!/bin/sh\necho '{{{text}}}'\n", "utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", ["plain", "with space", "it's", "svc:main", "100%"])
def test_an_object_is_the_same_from_any_directory(tmp_path: Path, compiler: str, name: str) -> None:
    objects = []
    for parent in ("one", "two"):
        root = tmp_path / parent / name
        root.mkdir(parents=True)
        source = root / "x.c"
        source.write_text("const char *where = __FILE__;\n", "utf-8")
        flags = shlex.split(compilers.preprocessor_flags({".": root}, given=""))
        argv = [compiler, "-g", "-O2", *flags, "-c", str(source), "-o", "x.o"]
        subprocess.run(argv, cwd=root, check=True)
        objects.append((root / "x.o").read_bytes())
    assert objects[0] == objects[1]
    assert os.fsencode(tmp_path) not in objects[0]


def test_a_path_that_no_option_can_hold_is_left_out() -> None:
    hidden = {"a": Path("/x=y"), "b": Path("/new\nline"), ".": Path("/plain")}
    assert compilers.preprocessor_flags(hidden, given="-DX") == "-g0 -ffile-prefix-map=/plain=. -DX"


def test_the_linker_gets_no_run_path_to_the_library_of_python(tmp_path: Path) -> None:
    link = "gcc -shared -L/py/lib -Wl,-rpath,/py/lib -Wl,-rpath=/py/lib -Wl,-z,now"
    python = write_python(tmp_path / "python", LDSHARED=link)
    environ = {"PATH": "/usr/bin:/bin"}

    def linkers(**chosen: str) -> object:
        return compilers.linkers(python, cwd=tmp_path, environ={**environ, **chosen})

    assert linkers() == {"LDSHARED": "gcc -shared -L/py/lib -Wl,-z,now"}
    assert linkers(CC="ccache clang") == {"LDSHARED": "ccache clang -shared -L/py/lib -Wl,-z,now"}
    assert linkers(LDSHARED="ld") == {}
    write_python(python, LDSHARED="gcc -shared", LDCXXSHARED="g++ -shared -Wl,-rpath,/py/lib")
    assert linkers() == {"LDCXXSHARED": "g++ -shared"}


def test_a_python_that_does_not_answer_changes_nothing(tmp_path: Path) -> None:
    assert compilers.linkers(tmp_path / "missing", cwd=tmp_path, environ={}) == {}
    failing = write_python(tmp_path / "python")
    failing.write_text("#!/bin/sh\nexit 1\n", "utf-8")
    assert compilers.linkers(failing, cwd=tmp_path, environ={}) == {}
