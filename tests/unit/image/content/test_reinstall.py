from __future__ import annotations

import functools
import io
import json
from collections.abc import Mapping

import pytest

from nox_pex.distributions.pex_file import PexError
from nox_pex.image.content.open_pex import Member
from nox_pex.image.content.reinstall import Environment, installed_paths, reinstall
from nox_pex.oci.layer_writer import Entry, Stream

ENVIRONMENT = Environment(root="/app", python="python3.12")
SITE = "lib/python3.12/site-packages"
INFO = "a-1.dist-info"


def members(files: Mapping[str, bytes], *, record: str | None = None) -> dict[str, Member]:
    """The members of an installed wheel with `files`, each of which its RECORD has, if that is not given."""
    rows = "".join(f"{path},sha256=x,{len(content)}\n" for path, content in files.items())
    layout = json.dumps({"stash_dir": ".prefix", "record_relpath": f"{INFO}/RECORD"}).encode()
    text = (record if record is not None else f"{rows}{INFO}/RECORD,,\n").encode()
    contents = {**files, f"{INFO}/RECORD": text, ".layout.json": layout}
    return {
        path: Member(
            content=Stream(size=len(content), open=functools.partial(io.BytesIO, content)),
            executable=path.endswith(".sh"),
            checksum="",
        )
        for path, content in contents.items()
    }


def installed(files: Mapping[str, bytes], *, record: str | None = None) -> dict[str, Entry]:
    found = reinstall("a-1-py3-none-any.whl", members(files, record=record), ENVIRONMENT)
    return {entry.path: entry for entry in found}


def test_files_go_to_their_schemes() -> None:
    files = {
        "a/__init__.py": b"",
        "a/run.sh": b"#!/bin/sh\n",
        ".prefix/data/share/a.txt": b"",
        ".prefix/include/site/pythonX.Y/A.b/a.h": b"",
        ".prefix/platlib/native.so": b"",
        f"{INFO}/REQUESTED": b"old",
        "unlisted.pyc": b"",
    }
    found = installed(files)
    assert sorted(found) == sorted(
        [
            *(f"{SITE}/a/__init__.py", f"{SITE}/a/run.sh", "share/a.txt", "include/site/python3.12/A.b/a.h"),
            *(f"{SITE}/native.so", f"{SITE}/{INFO}/INSTALLER", f"{SITE}/{INFO}/REQUESTED", f"{SITE}/{INFO}/RECORD"),
        ]
    )
    assert found[f"{SITE}/a/run.sh"].executable
    assert (found[f"{SITE}/{INFO}/INSTALLER"].content, found[f"{SITE}/{INFO}/REQUESTED"].content) == (b"pex\n", b"")
    assert installed_paths(members(files), ENVIRONMENT) == set(found)
    record = found[f"{SITE}/{INFO}/RECORD"].content
    assert isinstance(record, bytes)
    assert record.decode().splitlines()[2:5] == [
        "../../../share/a.txt,sha256=x,0",
        "../../../include/site/python3.12/A.b/a.h,sha256=x,0",
        "native.so,sha256=x,0",
    ]


def test_scripts_of_python_start_with_the_interpreter_of_the_environment() -> None:
    scripts = {
        "generated": b"#!python\n# -*- coding: utf-8 -*-\nimport a\n",
        "encoded": b"#!python\n# -*- coding: latin-1 -*-\r\nprint()\n",
        "by_env": b"#!/usr/bin/env python3\nprint()\n",
        "shell": b"#!/bin/sh\npython\n",
        "binary": b"\x7fELF\xff",
        "pythonic": b"#!/usr/bin/pythonic\n",
        "empty": b"",
    }
    files = {f".prefix/bin/{name}": content for name, content in scripts.items()}
    found = installed({**files, f"{INFO}/entry_points.txt": b"[console_scripts]\ngenerated = a:main\n"})
    first = b"#!/app/bin/python3.12 -I\n"
    assert {name: found[f"bin/{name}"].content for name in ("generated", "encoded", "by_env")} == {
        "generated": first + b"# -*- coding: utf-8 -*-\nimport a\n",
        "encoded": first + b"# -*- coding: latin-1 -*-\nprint()\n",
        "by_env": first + b"print()\n",
    }
    assert all(found[f"bin/{name}"].executable for name in ("generated", "encoded", "by_env"))
    assert all(isinstance(found[f"bin/{name}"].content, Stream) for name in ("shell", "binary", "pythonic", "empty"))
    record = found[f"{SITE}/{INFO}/RECORD"].content
    assert isinstance(record, bytes)
    assert record.splitlines()[-3].startswith(b"../../../bin/generated,sha256=")  # before INSTALLER and REQUESTED


def test_a_record_keeps_its_line_endings_and_loses_files_that_do_not_exist() -> None:
    found = installed({"a.py": b""}, record=f"a.py,,\r\ngone.py,,\r\ndirectory/,,\r\n{INFO}/RECORD,,\r\n")
    record = found[f"{SITE}/{INFO}/RECORD"].content
    assert isinstance(record, bytes)
    assert record.startswith(f"a.py,,\r\ndirectory/,,\r\n{INFO}/RECORD,,\r\n{INFO}/INSTALLER,".encode())
    assert b"gone" not in record


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"../../outside.py": b""}, "a file with the path ../../outside.py"),
        ({".prefix/data/../../outside": b""}, "a file with the path .prefix/data/../../outside"),
        ({".prefix/data//etc/passwd": b""}, "a file with the path .prefix/data//etc/passwd"),
        ({f"{INFO}/entry_points.txt": b"x = y\n"}, "scripts that only pex itself can install"),
    ],
)
def test_a_wheel_that_leaves_the_environment_is_refused(files: dict[str, bytes], problem: str) -> None:
    with pytest.raises(PexError, match=problem):
        installed(files)


@pytest.mark.parametrize("layout", [None, b"[]", b"{", b'{"record_relpath": "b/RECORD"}'])
def test_a_wheel_without_record_is_refused(layout: bytes | None) -> None:
    wheel = members({})
    del wheel[".layout.json"]
    if layout is not None:
        stream = Stream(size=len(layout), open=functools.partial(io.BytesIO, layout))
        wheel[".layout.json"] = Member(content=stream, executable=False, checksum="")
    with pytest.raises(PexError, match="has no RECORD"):
        list(reinstall("a-1-py3-none-any.whl", wheel, ENVIRONMENT))
