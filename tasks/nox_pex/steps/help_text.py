"""The explanation of the arguments after `--`, for the sessions of a run. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from nox_pex.steps import table
from nox_pex.steps.arguments import HELP, OPTIONS, Option
from nox_pex.steps.table import Step

_INDENT: Final = "  "


_NARROWEST: Final = 40


_EXAMPLES: Final = {
    "install": ("--force",),
    "pex": ("{name}", "--force"),
    "smoke": ("--only warm", "{name} --serve --port 8000", "--binary dist/{name}.pex"),
    "verify": ("--deep", "--binary dist/{name}.pex"),
    "attest": ("--key key.pem",),
    "image": ("--keep", "{name} --serve"),
    "push": ("--key key.pem", "--no-evidence"),
    "report": ("--against OLD.pex",),
    "diff": ("--against OLD.pex", "--max-growth 1MB"),
    "platform": ("--image python:3.12-slim",),
    "clean": ("--dry-run",),
}
"""Arguments that each step is often given. `{name}` is a binary."""


def lines(
    sessions: Mapping[str, Step],
    binaries: Sequence[str],
    *,
    width: int,
    bold: Callable[[str], str] = str,
) -> Iterator[str]:
    """Yield the lines for the `sessions`, by their names, with the names of the `binaries` that are known.

    A line has at most `width` columns. `bold` makes a heading bold.
    """
    width = max(width, _NARROWEST)
    known = {name for step in sessions.values() for name in table.options(step)} | {HELP}
    by_binary = any(step.by_binary for step in sessions.values())
    yield f"{bold('usage')}  nox -s {' '.join(sessions)} -- {'[NAME …] ' if by_binary else ''}[options]"
    yield ""
    widest = max(map(len, sessions), default=0)
    for name, step in sessions.items():
        needed = [each.name for each in table.with_needed([step.name]) if each is not step]
        after = f" After {', '.join(needed)}." if needed else ""
        yield from _wrapped(f"{step.help}{after}", head=f"{name:<{widest}}  ", width=width)
    yield ""
    if by_binary:
        names = f": {', '.join(binaries)}" if binaries else ""
        yield from _wrapped(f"work on these binaries only{names} (default: all)", head=_head("NAME"), width=width)
    for option in OPTIONS:
        if option.name in known:
            yield from _wrapped(option.help, head=_head(_shown(option)), width=width)
    examples = list(_examples(sessions, binaries))
    if examples:
        yield ""
        yield bold("examples")
        yield from (f"{_INDENT}{example}" for example in examples)


def _examples(sessions: Mapping[str, Step], binaries: Sequence[str]) -> Iterator[str]:
    name = binaries[0] if binaries else "NAME"
    for session, step in sessions.items():
        for arguments in _EXAMPLES.get(step.name, ()):
            yield f"nox -s {session} -- {arguments.format(name=name)}"


_WIDEST: Final = max(len(f"--{option.name} {option.value}") for option in OPTIONS)


def _shown(option: Option) -> str:
    return f"--{option.name}{f' {option.value}' if option.value else ''}"


def _head(text: str) -> str:
    return f"{_INDENT}{text:<{_WIDEST}}  "


def _wrapped(text: str, *, head: str, width: int) -> list[str]:
    """Return `text` after `head`, broken between words below its beginning; below the head's if that is too wide."""
    indent = " " * (len(head) if len(head) * 2 < width else len(_INDENT) * 2)
    return textwrap.wrap(head + text, width, subsequent_indent=indent, drop_whitespace=True, break_on_hyphens=False)
