"""The words after `--`: one grammar for all our sessions, since Nox hands them to every session that runs."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.system.wording import did_you_mean


class Arguments(Struct, frozen=True, kw_only=True):
    """What a user asked for. Each session takes what is its own.

    `names` are the binaries meant (all, where empty); every other field is the option of that name in `OPTIONS`, or its
    default.
    """

    names: tuple[str, ...] = ()
    force: bool = False
    jobs: int | None = None
    binary: Path | None = None
    deep: bool = False
    only: str | None = None
    keep: bool = False
    serve: bool = False
    timeout: float | None = None
    port: int | None = None
    from_source: bool = False
    image: str | None = None
    dry_run: bool = False

    @property
    def prebuilt_reason(self) -> str | None:
        """The option because of which the steps that build a binary are skipped; None if they run."""
        if self.binary is not None:
            return f"--binary {self.binary}"
        return "--from-source" if self.from_source else None


class Option(NamedTuple):
    """`--name VALUE`, of which `convert` makes what is meant; a flag where there is no `value`."""

    name: str
    help: str
    value: str = ""
    convert: Callable[[str], Any] = str

    def __str__(self) -> str:
        return f"[--{self.name}{f' {self.value}' if self.value else ''}]"


def _count(text: str) -> int:
    """A number of things, at least one."""
    if (count := int(text)) < 1:
        msg = f"{text} is less than 1"
        raise argparse.ArgumentTypeError(msg)
    return count


OPTIONS: Final = (
    Option("force", "work even where nothing changed"),
    Option("jobs", "how many binaries are built at a time (default: one a processor)", "N", _count),
    Option("binary", "take this finished file instead of building one", "PATH", Path),
    Option("deep", "fetch again what is locked, and compare it member by member"),
    Option("only", "one condition of the smoke test", "CONDITION"),
    Option("keep", "keep the smoke test's directory, and say where it is"),
    Option("serve", "leave the program running until Ctrl-C, and say where it answers"),
    Option("timeout", "instead of startup-timeout", "SECONDS", float),
    Option("port", "instead of a free port", "PORT", int),
    Option("from-source", "build the binary inside the image's build"),
    Option("image", "a container image, whose Python platform describes", "IMAGE"),
    Option("dry-run", "say what clean would remove, and remove nothing"),
)
"""Every option, in the order in which they are told to a user."""


_USAGE: Final = " ".join(["nox -s SESSION -- [NAME …]", *map(str, OPTIONS)])


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise NoxPexError("usage", f"unrecognised arguments: {message}", f"usage: {_USAGE}")


def parse(posargs: Sequence[str], *, invoked_from: Path) -> Arguments:
    """`posargs` as `Words`; a relative path is taken from `invoked_from`. Raises `NoxPexError` `usage`."""
    return _parse(tuple(posargs), invoked_from)


@functools.cache  # every session that runs is handed the same words
def _parse(posargs: tuple[str, ...], invoked_from: Path) -> Arguments:
    parser = _Parser(prog="nox --", add_help=False, allow_abbrev=False)
    parser.add_argument("names", nargs="*")
    for option in OPTIONS:
        if option.value:
            parser.add_argument(f"--{option.name}", type=option.convert)
        else:
            parser.add_argument(f"--{option.name}", action="store_true")
    found = vars(parser.parse_intermixed_args(posargs))
    names, binary = tuple(dict.fromkeys(found.pop("names"))), found.pop("binary")
    return Arguments(**found, names=names, binary=invoked_from / binary if binary is not None else None)


def select_binaries(arguments: Arguments, known: Collection[str]) -> tuple[str, ...]:
    """The names that `arguments` selects, all if it has none, in the order of `known`, the binaries in the settings.

    Raises `NoxPexError` `usage` for an unknown name.
    """
    for name in arguments.names:
        if name not in known:
            remedy = did_you_mean(name, known, otherwise="there are")
            raise NoxPexError("usage", f"no binary is called {name!r}", f"{remedy} usage: {_USAGE}")
    return tuple(name for name in known if not arguments.names or name in arguments.names)
