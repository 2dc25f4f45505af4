"""The comparison with a second build. Here both are written by hand; `tests/integration` compares builds of pex."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from nox_pex.distributions import pex_info
from nox_pex.verify import second_build
from nox_pex.verify.archive import open_pex
from tests.support.pex_files import archive, wheel

INFO_FILE = "svc-1.dist-info/METADATA"
WHEEL, OWN = "lib-1-py3-none-any.whl", "svc-1-py3-none-any.whl"
INFO = {
    "build_properties": {"pex_version": "2.0"},
    "code_hash": "c",
    "distributions": {WHEEL: "1", OWN: "2"},
    "entry_point": "main",
    "inherit_path": "false",
}
Members = Mapping[str, bytes | str | None]
Judge = Callable[..., list[str]]


def pex(path: Path, *, members: Members, info: Mapping[str, Any], head: str) -> Path:
    """A PEX whose launcher and header hold its hash."""
    values = {**info, "pex_hash": info.get("pex_hash", pex_info.pex_hash(info))}
    launcher = f"HASH = {values['pex_hash']!r}\n".encode()
    bytecode = b"magc\3\0\0\0" + importlib.util.source_hash(launcher) + launcher
    found: dict[str, bytes | str | None] = {
        ".bootstrap/pex/__init__.py": "pex",
        f".deps/{WHEEL}/lib.py": "x = 1",
        f".deps/{WHEEL}/.layout.json": "{}",
        f".deps/{OWN}/svc.py": "x = 1",
        f".deps/{OWN}/svc-1.dist-info/METADATA": "Name: svc",
        f".deps/{OWN}/.layout.json": '{{"fingerprint":"{}"}}'.format("0" * 64),
        "PEX-INFO": json.dumps(values),
        "__main__.py": launcher,
        "__main__.pyc": bytecode,
        "__pex__/__init__.py": launcher,
        "main.py": "run()",
        **members,
    }
    kept = {name: content for name, content in found.items() if content is not None}
    return archive(path, kept, head=head.format(values["pex_hash"]).encode())


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Compare a PEX, in which some members, values of PEX-INFO, or the header were changed, with the right one."""

    def judged(
        members: Members | None = None,
        *,
        info: Mapping[str, Any] | None = None,
        head: str = "#!/bin/sh\n{}\n",
        without: str | None = None,
        may_differ: Collection[str] = (OWN,),
    ) -> list[str]:
        values = {key: value for key, value in {**INFO, **(info or {})}.items() if key != without}
        first = pex(tmp_path / "1.pex", members=members or {}, info=values, head=head)
        second = pex(tmp_path / "2.pex", members={}, info=INFO, head="#!/bin/sh\n{}\n")
        with open_pex(first) as ours, open_pex(second) as theirs:
            return list(second_build.problems(ours, theirs, may_differ=may_differ))

    return judged


def test_the_same_file_has_no_problems(judge: Judge) -> None:
    assert judge() == []


def test_the_own_wheel_and_the_hashes_that_follow_from_it_may_differ(judge: Judge) -> None:
    changed = {
        f".deps/{OWN}/svc.py": "built = 'now'",
        f".deps/{OWN}/.layout.json": '{{"fingerprint":"{}"}}'.format("1" * 64),
    }
    assert judge(changed, info={"distributions": {WHEEL: "1", OWN: "3"}}) == []
    assert judge(changed, info={"distributions": {WHEEL: "1", OWN: "3"}}, may_differ=()) == [
        f"PEX-INFO: the digest of {OWN} differs from that of a second build",
        f"{OWN}: .layout.json has different content, from byte 16, compared with a second build",
        f"{OWN}: svc.py has different content, from byte 0, compared with a second build",
    ]


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({".bootstrap/pex/__init__.py": "evil"}, ".bootstrap: pex/__init__.py has different content, from byte 0"),
        ({".bootstrap/pex/more.py": ""}, ".bootstrap: pex/more.py is not in the second build"),
        ({".bootstrap/pex/__init__.py": None}, ".bootstrap: pex/__init__.py is only in the second build"),
        ({f".deps/{WHEEL}/lib.py": "x = 2"}, f"{WHEEL}: lib.py has different content, from byte 4"),
        ({f".deps/{WHEEL}/.layout.json": "[]"}, f"{WHEEL}: .layout.json has different content, from byte 0"),
        ({f".deps/{WHEEL}/lib.pyc": "x"}, f"{WHEEL}: lib.pyc is not in the second build"),
        ({"main.py": "evil()"}, "main.py has different content, from byte 0"),
        ({"x.pth": "import os"}, "x.pth is not in the second build"),
        ({"sitecustomize.py": ""}, "sitecustomize.py is not in the second build"),
        ({".hidden": ""}, ".hidden is not in the second build"),
        ({"__pycache__/main.cpython-311.pyc": ""}, "__pycache__/main.cpython-311.pyc is not in the second build"),
        ({"__pex__/more.py": ""}, "__pex__/more.py is not in the second build"),
        ({"main.py": None}, "main.py is only in the second build"),
        ({"empty/": ""}, "empty/ is not in the second build"),
    ],
)
def test_every_other_difference_is_a_problem(judge: Judge, members: Members, problem: str) -> None:
    assert judge(members) == [f"{problem}, compared with a second build"]


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({f".deps/{OWN}/more.py": ""}, f"{OWN}: more.py is not in both builds"),
        ({f".deps/{OWN}/empty/": ""}, f"{OWN}: empty is not in both builds"),
        ({f".deps/{OWN}/svc.pyc": "x"}, f"{OWN}: svc.pyc is not in both builds"),
        ({f".deps/{OWN}/{INFO_FILE}": "evil"}, f"{OWN}: {INFO_FILE} differs from that in a second build"),
        ({f".deps/{OWN}/.layout.json": "evil"}, f"{OWN}: .layout.json differs from that in a second build"),
        ({".deps/more/x.py": ""}, ".deps/more is not what pex makes of these settings"),
        ({"__main__.py": "evil()", "__main__.pyc": None}, "__main__.py is not what pex makes of these settings"),
        ({"__main__.pyc": b"x" * 40}, "__main__.pyc is not compiled from its source"),
        ({"__main__.pyc": None}, "__main__.pyc is not what pex makes of these settings"),
        ({"__pex__/__init__.py": "evil()"}, "__pex__/__init__.py is not what pex makes of these settings"),
        ({"__pex__/__init__.pyc": b"x"}, "__pex__/__init__.pyc is not what pex makes of these settings"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_own_wheel_and_the_launcher_is_named(
    judge: Judge, members: Members, problem: str
) -> None:
    assert problem in judge(members)


@pytest.mark.parametrize(
    ("info", "key"),
    [
        ({"entry_point": "evil"}, "entry_point"),
        ({"inherit_path": "fallback"}, "inherit_path"),
        ({"pex_path": "/srv"}, "pex_path"),
        ({"unknown": None}, "unknown"),
    ],
)
def test_a_changed_value_in_pex_info_is_a_problem(judge: Judge, info: Mapping[str, Any], key: str) -> None:
    assert judge(info=info) == [f"PEX-INFO: `{key}` is not what pex makes of these settings"]


def test_a_missing_value_in_pex_info_is_a_problem(judge: Judge) -> None:
    assert judge(without="entry_point") == ["PEX-INFO: `entry_point` is not what pex makes of these settings"]


def test_digests_in_pex_info_are_compared(judge: Judge) -> None:
    assert judge(info={"code_hash": "d"}) == [
        "PEX-INFO: the digest of the loose files differs from that of a second build"
    ]
    assert judge(info={"distributions": {OWN: "2"}}) == [
        f"PEX-INFO: the digest of {WHEEL} differs from that of a second build"
    ]
    assert judge(info={"pex_hash": "0" * 40}) == ["PEX-INFO: `pex_hash` is not the hash of the other values"]


def test_a_changed_header_is_a_problem(judge: Judge) -> None:
    assert judge(head="#!/bin/evil\n{}\n") == ["the head of the file is not what pex makes of these settings"]


def test_another_version_of_pex_is_named_once(judge: Judge) -> None:
    made = judge({".bootstrap/pex/__init__.py": "other"}, info={"build_properties": {"pex_version": "1.9"}})
    assert made == ["it was made by pex 1.9, and these settings name pex 2.0"]
    assert judge(without="build_properties") == [
        "it was made by pex of an unknown version, and these settings name pex 2.0"
    ]


def test_an_archive_in_the_pex_is_compared_as_it_is_packed(tmp_path: Path) -> None:
    def with_wheel(name: str, content: bytes) -> Path:
        info = {**INFO, "deps_are_wheel_files": True}
        removed = {f".deps/{WHEEL}/{file}": None for file in ("lib.py", ".layout.json")}
        removed |= {f".deps/{OWN}/{file}": None for file in ("svc.py", ".layout.json", "svc-1.dist-info/METADATA")}
        members = {**removed, f".deps/{WHEEL}": content}
        return pex(tmp_path / name, members=members, info=info, head="")

    packed = wheel({"lib.py": "x = 1"})
    first, second = with_wheel("1.pex", packed[:-2] + b"\2\0hi"), with_wheel("2.pex", packed)
    with open_pex(first) as ours, open_pex(second) as theirs:
        assert list(second_build.problems(ours, theirs, may_differ=())) == [
            f".deps/{WHEEL} has the same members as in a second build, packed differently"
        ]
