"""The Python of a base image, read from its layers: compared with what real Pythons say, and on layers that lie."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nox_pex.errors import NoxPexError
from nox_pex.image import base_image
from nox_pex.image.base import elf, python
from nox_pex.image.base_image import ImagePython
from nox_pex.oci.descriptor import digest_of
from nox_pex.oci.image import LayerFile
from nox_pex.platforms import ask_python
from nox_pex.tools.cache import Caches
from tests.support.elf_programs import program
from tests.support.untrusted_layers import base_of, directory, layer, member, tar

GLIBC = b"GNU C Library (Debian GLIBC 2.36-9+deb12u14) stable release version 2.36.\n"
MUSL = b"musl libc\0other 1.0\0001.2.5\0"


def cpython(version: str = "3.12.5", suffix: str = "312-x86_64-linux-gnu", **fields: Any) -> bytes:
    return program(b"3.46.1", version.encode(), f".cpython-{suffix}.so".encode(), **fields)


LIBC = [member("lib64/ld-linux-x86-64.so.2", program()), member("lib64/libc.so.6", program(GLIBC))]


def found(tmp_path: Path, *members: Any, minor: str | None = None, **fields: Any) -> ImagePython:
    files = [layer(tmp_path / "layers", tar(*LIBC, *members), "none")]
    return python.python_of(
        base_of(*files, **fields), minor=minor, key="image.base", caches=Caches(chosen=tmp_path / "cache")
    )


def refusal(tmp_path: Path, *members: Any, code: str = "image-python", **fields: Any) -> str:
    with pytest.raises(NoxPexError) as caught:
        found(tmp_path, *members, **fields)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    return str(caught.value)


def executable(path: str, data: bytes) -> Any:
    return member(path, data, mode=0o755)


def test_a_python_is_described_by_the_strings_in_it(tmp_path: Path) -> None:
    described = found(
        tmp_path, executable("usr/bin/python3.12", cpython()), member("usr/bin/python3", symlink="python3.12")
    )
    assert str(described) == "CPython 3.12.5, glibc 2.36, x86_64"
    assert (described.executable, described.abi, described.has_shell) == ("/usr/bin/python3", "cpython_312", False)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (cpython("3.13.1", "313t-x86_64-linux-gnu"), "CPython 3.13.1 without GIL, glibc 2.36, x86_64"),
        (cpython("3.14.0rc2", "314-x86_64-linux-gnu"), "CPython 3.14.0rc2, glibc 2.36, x86_64"),
        (cpython("3.12.5+"), "CPython 3.12.5+, glibc 2.36, x86_64"),
        (cpython("/usr/local/python/3.12.5"), "CPython 3.12.5, glibc 2.36, x86_64"),
        (cpython(loader=b""), "CPython 3.12.5, unknown libc, x86_64"),
        (
            program(b"3.9.16 (7.3.11+dfsg-2, Dec 3", b".pypy39-pp73-x86_64-linux-gnu.so"),
            "PyPy 3.9.16, glibc 2.36, x86_64",
        ),
    ],
)
def test_other_pythons_are_described(tmp_path: Path, data: bytes, expected: str) -> None:
    described = found(tmp_path, executable("usr/bin/python3", data))

    assert str(described) == expected
    assert python.platform_of(described, "base").minor == described.minor


@pytest.mark.parametrize(
    ("header", "architecture", "machine"),
    [
        ((183, "<", True), "arm64", "aarch64"),
        ((40, "<", False), "arm", "armv7l"),
        ((3, "<", False), "386", "i686"),
        ((22, ">", True), "s390x", "s390x"),
        ((21, "<", True), "ppc64le", "ppc64le"),
        ((243, "<", True), "riscv64", "riscv64"),
        ((258, "<", True), "loong64", "loongarch64"),
    ],
)
def test_the_machine_is_that_of_the_program(
    tmp_path: Path, header: tuple[int, str, bool], architecture: str, machine: str
) -> None:
    number, order, is_64 = header
    fields: Any = {"machine": number, "order": order, "is_64": is_64, "loader": b"/lib/ld-musl-x.so.1"}
    members = [executable("usr/bin/python3", cpython(**fields)), member("lib/ld-musl-x.so.1", MUSL)]

    described = found(tmp_path, *members, architecture=architecture)

    assert (described.machine, described.libc, described.libc_version) == (machine, "musl", "1.2.5")
    message = refusal(tmp_path / "lies", *members, code="image-base", architecture="mips64")
    assert f"says that it is for linux/mips64, but its Python is for {machine}" in message


def test_the_first_real_python_on_the_path_is_taken(tmp_path: Path) -> None:
    members = [
        executable("opt/shims/python3.12", b"#!/bin/sh\nexec pyenv exec"),
        executable("opt/rust/python3.12", program(b"no Python")),
        member("opt/plain/python3.12", cpython("3.12.1")),
        executable("opt/venv/python3.12", cpython("3.12.2")),
        executable("usr/bin/python3.12", cpython("3.12.3")),
        executable("usr/bin/python3", cpython("3.11.9", "311-x86_64-linux-gnu")),
    ]
    env = ["PATH=relative:/opt/shims:/opt/rust:/opt/plain:/opt/nothing:/opt/venv/:/usr/bin"]

    described = found(tmp_path, *members, minor="3.12", env=env)

    assert (described.executable, described.version) == ("/opt/venv/python3.12", "3.12.2")
    assert found(tmp_path, *members, minor="3.13", env=env).version == "3.11.9"


def test_a_small_program_is_described_by_its_library(tmp_path: Path) -> None:
    small = program(b"libpython3.12.so.1.0")
    shared = cpython("3.12.7")
    other = cpython("3.12.1")
    members = [executable("opt/py/bin/python3", small), member("usr/lib/x/libpython3.12.so.1.0", other)]
    env = ["PATH=/opt/py/bin"]

    assert found(tmp_path, *members, env=env).version == "3.12.1"
    near = member("opt/py/lib/libpython3.12.so.1.0", shared)
    assert found(tmp_path, *members, near, env=env).version == "3.12.7"


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([], "there is none of python3, python in /usr/local/sbin"),
        ([executable("usr/bin/python3", b"#!/bin/sh\n")], "/usr/bin/python3 is a script"),
        ([executable("usr/bin/python3", b"MZ")], "is no program"),
        ([executable("usr/bin/python3", b"\x7fELF" + bytes(100))], "is no program"),
        ([executable("usr/bin/python3", program())], "is not a Python"),
        ([executable("usr/bin/python3", program(b"libpython3.9.so.1.0"))], "needs libpython3.9.so.1.0, which"),
        (
            [executable("usr/bin/python3", cpython(loader=b"/lib/ld-musl-x86_64.so.1"))],
            "needs /lib/ld-musl-x86_64.so.1",
        ),
        ([executable("usr/bin/python3", cpython("3.12"))], "whose release cannot be read"),
        ([member("usr/bin/python3", cpython())], "there is none of"),
        ([directory("usr/bin/python3")], "there is none of"),
        ([member("usr/bin/python3", symlink="python3")], "there is none of"),
        ([member("usr/bin/python3", symlink="../../../../../../usr/bin/env")], "there is none of"),
    ],
)
def test_an_image_without_a_python_is_refused_with_the_reason(tmp_path: Path, members: Any, reason: str) -> None:
    assert reason in refusal(tmp_path, *members)


def test_the_answer_is_kept(tmp_path: Path) -> None:
    members = [executable("usr/bin/python3", cpython())]
    first = found(tmp_path, *members)
    (data,) = (tmp_path / "layers").iterdir()
    data.write_bytes(b"")
    for tree in (tmp_path / "cache" / "trees").glob("*.msgpack"):
        tree.unlink()
    files = LayerFile(
        descriptor=layer(tmp_path / "again", tar(*LIBC, *members), "none").descriptor,
        diff_id=digest_of(tar(*LIBC, *members)),
        path=data,
    )

    again = python.python_of(base_of(files), minor=None, key="k", caches=Caches(chosen=tmp_path / "cache"))

    assert again == first


@cache
def parts_of_this_python() -> dict[str, bytes]:
    """This Python, its library, its loader and its libc: the paths and the contents."""
    real = Path(sys.executable).resolve()
    loader = getattr(elf.read(real.read_bytes()), "loader", "")
    if not loader:
        pytest.skip("this Python is no program for Linux with a loader")
    names = {str(real), loader}
    name = sysconfig.get_config_var("INSTSONAME")
    names |= {str(path) for path in [real.parents[1] / "lib" / str(name)] if path.is_file()}
    libc = Path(loader).resolve().parent / "libc.so.6"
    names |= {str(libc)} if libc.is_file() else set()
    return {path.lstrip("/"): Path(path).read_bytes() for path in names}


def test_the_answer_is_that_of_the_python_itself(tmp_path: Path) -> None:
    real = Path(sys.executable).resolve()
    members = [executable(path, data) for path, data in parts_of_this_python().items()]
    files = [layer(tmp_path / "layers", tar(*members), "none")]
    machine = os.uname().machine
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    image = base_of(*files, architecture=architecture, env=[f"PATH={real.parent}"])
    question = subprocess.run(
        [real, "-I", "-c", base_image.QUESTION], capture_output=True, text=True, check=True
    ).stdout
    described = subprocess.run([real, "-I", "-c", ask_python.script()], capture_output=True, text=True, check=True)

    answer = python.python_of(
        image, minor=real.name.removeprefix("python") or None, key="k", caches=Caches(chosen=tmp_path / "cache")
    )

    expected = msgspec.convert(json.loads(question), ImagePython)
    assert answer == msgspec.structs.replace(expected, has_shell=False, executable=answer.executable)
    assert python.platform_of(answer, "x") == ask_python.parse_answer(described.stdout, name="x")


@pytest.mark.parametrize(
    ("texts", "version"),
    [
        ([b"3.12.1", b"3.12.2"], None),
        ([b"/3.12.1", b"/3.12.2"], None),
        ([b"/3.12.1", b"3.12.2"], "3.12.2"),
        ([b"x3.12.1", b"2.3.12.7", b"3.12.1234"], "3.12.1"),
    ],
)
def test_the_release_is_the_one_string_that_can_be_it(tmp_path: Path, texts: list[bytes], version: str | None) -> None:
    described = executable("usr/bin/python3", program(*texts, b".cpython-312-x86_64-linux-gnu.so"))

    if version is None:
        assert "whose release cannot be read" in refusal(tmp_path, described)
    else:
        assert found(tmp_path, described).version == version


def test_a_damaged_program_is_no_program() -> None:
    whole = cpython()

    assert [elf.read(whole[:size]) for size in range(0, 120, 7)][:10] == [None] * 10
    for position in range(64):
        elf.read(whole[:position] + b"\xff" * 8 + whole[position + 8 :])  # raises nothing
