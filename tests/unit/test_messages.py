"""The grammar of every message: the texts of errors and of the lines that a session shows, as the sources have them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.steps.arguments import OPTIONS, Option, parse

PACKAGE: Final = Path(__file__).resolve().parents[2] / "tasks" / "nox_pex"
NAMES: Final = frozenset({"problem", "remedy", "reason", "cause", "msg", "waiting"})
CALLS: Final = frozenset({"NoxPexError", "UnavailableError", "PexError", "ArgumentTypeError", "say", "_Mismatch"}) | {
    *("changed", "unchanged", "skipped", "warned"),
}
HOLE: Final = "\N{OBJECT REPLACEMENT CHARACTER}"
"""It stands for a value in the text of an f-string."""

AVOIDED: Final = re.compile(
    r"\b(?:anew|at hand|mend|so many|likewise|of its own|stands aside|for want of|settle[sd]?)\b", re.IGNORECASE
)


def messages() -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each message."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name == "poetry_script.py":  # its texts are Poetry's
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for value in _values(node):
                for text in _texts(value):
                    yield f"{path.relative_to(PACKAGE)}:{value.lineno}", text


def _values(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign) and any(_name(target) in NAMES for target in node.targets):
        return [node.value]
    if isinstance(node, ast.Call) and _name(node.func) in CALLS:
        return node.args
    return []


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _texts(node: ast.expr) -> Iterator[str]:
    """Yield the texts that an expression may have as its value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(each.value) if isinstance(each, ast.Constant) else HOLE for each in node.values)
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif isinstance(node, ast.Tuple):
        for each in node.elts:
            yield from _texts(each)


def test_messages_are_found() -> None:
    assert len(set(messages())) > 400


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        ("Nox ends the line with a full stop", re.compile(r"[.!?:;]$")),
        ("punctuation is single, with a space after it", re.compile(r"[.,;:!?] ?[,;!?]| [,;]|;\S|\S  \S")),
        ("parts are joined by a semicolon, so a remedy does not begin as one", re.compile(r"^(?:or|and) ")),
        ("the words of the house", AVOIDED),
    ],
)  # fmt: skip
def test_every_message_follows_the_rule(rule: str, wrong: re.Pattern[str]) -> None:
    assert [f"{place}: {text}" for place, text in messages() if wrong.search(text)] == [], rule


@pytest.mark.parametrize("option", [each for each in OPTIONS if each.value], ids=lambda option: option.name)
@pytest.mark.parametrize("value", ["", "x y", "-1", "1e400", "9" * 5000, "\0", "a\nb"])
def test_a_wrong_value_is_refused_in_words_and_not_by_the_name_of_a_function(option: Option, value: str) -> None:
    try:
        parse([f"--{option.name}={value}"], invoked_from=Path("/here"))
    except NoxPexError as error:
        assert error.problem.startswith(f"argument --{option.name}: ")  # noqa: PT017  # most values are valid for one
        assert not re.search(r"invalid|_\w+ value", error.problem)  # noqa: PT017  # most values are valid for one


def test_a_switch_takes_no_value() -> None:
    with pytest.raises(NoxPexError, match="argument --force: it takes no value, got '1'; `nox"):
        parse(["--force=1"], invoked_from=Path("/here"))
