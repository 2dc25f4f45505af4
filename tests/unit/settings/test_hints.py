"""Every remedy that shows TOML settles its problem if that is pasted: tried for wrong values of every key."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from nox_pex.errors import NoxPexError
from nox_pex.settings import instead, locate
from nox_pex.settings.model import Settings
from nox_pex.settings.parse import read

WRONG: list[str] = [
    *("3", "-7", "1.5", "inf", "true", '""', '"text"', "'--port 8000 \"a b\"'", '"8000"', '"on"', '"("', '"{x}"'),
    *("2020-01-01", "10:00:00", "[]", "[3]", '["text"]', '["a", 3]', "[[3]]", "[{}]", "{}", "{ a = 1 }", '{ "" = "" }'),
    *('"é\\u0007 it\'s"', '"a \'b"', '["cold", "cold"]', '{ script = "x", entry-point = "y" }', '"0 TERM"', '"80 443"'),
]
MARKERS = ("as in ", "such as ", "write ", "use ", "add ")


def keys(kind: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """The path of every key of a table, in the smallest document that has it."""
    if (table := instead.table_of(kind)) is not None:
        for field in msgspec.structs.fields(table):
            yield (*path, field.encode_name)
            yield from keys(field.type, (*path, field.encode_name))
    elif inside := instead.type_arguments(kind, dict):
        yield from keys(inside[1], (*path, "service"))
    elif inside := instead.type_arguments(kind, tuple):
        yield from keys(inside[0], (*path, 0))


def smallest() -> dict[str, Any]:
    return tomllib.loads("""
        [tool.nox-pex.binary.service]
        script = "x"
        image = { base = "python:3.12-slim", healthcheck = { command = ["x"] } }
        [tool.nox-pex.binary.service.smoke]
        ready = { path = "/" }
        http = [{ path = "/" }]
        tcp = [{ port = 1 }]
        command = [{}]
    """)


def put(document: Any, path: tuple[str | int, ...], value: Any) -> None:
    for key in path[:-1]:
        document = document.setdefault(key, {}) if isinstance(document, dict) else document[key]
    document[path[-1]] = value


def problems(document: dict[str, Any]) -> tuple[NoxPexError, ...]:
    return read(document, file="gone.toml", project_name="a", scripts={"a"}).problems


def shown_toml(remedy: str) -> Iterator[str]:
    """The TOML in a remedy: after each marker, as much as is a value, or a key with a value."""
    for marker in MARKERS:
        for rest in remedy.split(marker)[1:]:
            yield from longest(rest)


def longest(text: str) -> Iterator[str]:
    for end in range(len(text), 0, -1):
        written = text[:end]
        for form in (f"value = {written}", written):
            try:
                found = tomllib.loads(form)
            except tomllib.TOMLDecodeError:
                continue
            if found and "'" not in written[:1]:  # Python's quotation marks are not TOML that the remedy shows
                yield written
                return


def pasted(document: dict[str, Any], path: tuple[str | int, ...], written: str, *, item: bool) -> dict[str, Any]:
    """A copy of the document with the TOML `written` in place of what is at `path`, or as its only `item`."""
    changed = copy.deepcopy(document)
    there: Any = changed
    for key in path:
        there = there.get(key) if isinstance(there, dict) else there[key]
    if "=" in written and written[0].isalpha():
        table = path if isinstance(there, dict) else path[:-1]
        for key, value in tomllib.loads(written).items():
            put(changed, (*table, key), value)
        return changed
    value = tomllib.loads(f"value = {written}")["value"]
    put(changed, path, [value] if item and isinstance(there, list) and not isinstance(value, list) else value)
    return changed


PATHS = list(dict.fromkeys(keys(Settings, ("tool", "nox-pex"))))


def test_the_paths_are_those_of_all_tables() -> None:
    assert ("tool", "nox-pex", "binary", "service", "smoke", "http", 0, "status") in PATHS
    assert ("tool", "nox-pex", "binary", "service", "image", "engine-args", "global") in PATHS


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path[2:])))
def test_what_a_remedy_shows_settles_the_problem(path: tuple[str | int, ...]) -> None:
    for wrong in WRONG:
        document = smallest()
        put(document, path, tomllib.loads(f"value = {wrong}")["value"])
        for problem in problems(document):
            if problem.code != "config" or problem.problem.count(": ") < 2:  # FILE: PATH: PROBLEM
                continue
            _, dotted, what = problem.problem.split(": ", 2)
            for written in shown_toml(problem.remedy):
                after = pasted(document, locate.keys_of(dotted), written, item=not what.startswith("expected"))
                same = [each.problem for each in problems(after) if each.problem.startswith(f"gone.toml: {dotted}: ")]
                message = f"{dotted} = {wrong}: {problem.problem}; {problem.remedy}: {written}: {same}"
                assert not any(each.endswith(what) for each in same), message
                if problem.remedy in {f"write {written}", f"use {written}"} or ", as in " in problem.remedy:
                    assert not same, message


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("args = \"--port 8000 'a b'\"", 'write ["--port", "8000", "a b"]'),
        ("before = 'python seed.py'", 'write [["python", "seed.py"]]'),
        ("before = ['python seed.py']", 'write ["python", "seed.py"]'),
        ("stop-exit-codes = '0 TERM'", 'write [0, "TERM"]'),
        ('args = "it\'s"', 'write ["it\'s"]'),
        ("args = '\"\\\"'", 'write ["\\"\\\\\\""]'),
        ("args = ''", "write []"),
        ("conditions = 'cold warm'", 'write ["cold", "warm"]'),
        ("http = { path = '/' }", 'write [{ path = "/" }]'),
        ("startup-timeout = '30'", "write 30.0"),
        ("stop-signal = ['INT']", 'write "INT"'),
        ("conditions = [['cold']]", 'use "cold"'),
    ],
)
def test_a_value_is_converted_for_the_remedy(text: str, remedy: str) -> None:
    document = tomllib.loads(f"[tool.nox-pex.binary.a]\nscript = 'x'\n[tool.nox-pex.binary.a.smoke]\n{text}\n")
    (problem,) = problems(document)
    assert problem.remedy == remedy
