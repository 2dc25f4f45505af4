"""The arguments after `--`: one grammar for all sessions, because Nox passes them to every session that runs."""

from __future__ import annotations

import argparse
import functools
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn, get_args

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import Condition
from nox_pex.settings.table import HIGHEST_PORT
from nox_pex.settings.values import parse_size
from nox_pex.system.wording import did_you_mean, nearest

HELP: Final = "help"
"""The option that explains the others."""


_LONGEST_TIMEOUT: Final = 86_400


_LONGEST_SHOWN: Final = 60
"""The number of characters of an argument that an error shows."""


_OVERRIDES: Final = ("force", "deep", "only", "timeout", "port")


_CONDITIONS: Final[tuple[str, ...]] = (*get_args(Condition), "scie")


class Arguments(Struct, frozen=True, kw_only=True):
    """The parsed arguments. Each session uses the ones that concern it.

    `names` are the binaries to work on; empty means all. Every other field is the option of that name in `OPTIONS`, or
    its default.
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
    key: Path | None = None
    no_evidence: bool = False
    against: Path | None = None
    max_growth: int | None = None
    dry_run: bool = False
    help: bool = False

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the options that are given, in the order of `OPTIONS`."""
        options = (option.name for option in OPTIONS)
        return tuple(name for name in options if getattr(self, name.replace("-", "_")) not in (None, False))

    @property
    def skip_build_reason(self) -> str | None:
        """The option because of which the steps that build a binary are skipped; None if they run."""
        if self.binary is not None:
            return f"--binary {self.binary}"
        return "--from-source" if self.from_source else None

    @property
    def overrides(self) -> dict[str, bool | float | str]:
        """The given options that change how a binary is built or proven, by their names."""
        return {name: value for name in _OVERRIDES if (value := getattr(self, name)) not in (None, False)}


class Option(NamedTuple):
    """The option `--name VALUE`, converted with `convert`; a flag `--name` if `value` is empty."""

    name: str
    help: str
    value: str = ""
    convert: Callable[[str], Any] = str

    def __str__(self) -> str:
        return f"[--{self.name}{f' {self.value}' if self.value else ''}]"


def _positive(text: str) -> int:
    """Convert `text` to a whole number of at least 1. Raises `ArgumentTypeError` with a message for the user."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        msg = f"{_cut(text)} is not a positive whole number"
        raise argparse.ArgumentTypeError(msg)
    return number


def _port(text: str) -> int:
    """Convert `text` to a TCP port. Raises `ArgumentTypeError`."""
    if not (text.isdecimal() and len(text) <= len(str(HIGHEST_PORT)) and 0 < int(text) <= HIGHEST_PORT):
        msg = f"{_cut(text)} is not a port from 1 to {HIGHEST_PORT}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _seconds(text: str) -> float:
    """Convert `text` to a positive number of seconds, up to a day. Raises `ArgumentTypeError`."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number <= _LONGEST_TIMEOUT:
        msg = f"{_cut(text)} is not a number of seconds above 0, up to {_LONGEST_TIMEOUT} (a day)"
        raise argparse.ArgumentTypeError(msg)
    return number


def _path(text: str) -> Path:
    """Convert `text` to a path. Raises `ArgumentTypeError` if it cannot be one."""
    if not text or "\0" in text:
        msg = f"{_cut(text)} is not a path"
        raise argparse.ArgumentTypeError(msg)
    return Path(text)


def _size(text: str) -> int:
    """Convert `text`, a size as in the settings, to bytes. Raises `ArgumentTypeError` with a message for the user."""
    try:
        return parse_size(text)
    except ValueError:
        msg = f"{_cut(text)} is not a size, such as '1 MB' or '500 kB'"
        raise argparse.ArgumentTypeError(msg) from None


def _condition(text: str) -> str:
    """Return the condition `text`. Raises `ArgumentTypeError` if there is no such condition."""
    if text not in _CONDITIONS:
        msg = f"there is no condition {_cut(text)}: name one of {', '.join(_CONDITIONS)}"
        raise argparse.ArgumentTypeError(msg)
    return text


def _image(text: str) -> str:
    """Return the name `text` of an image. Raises `ArgumentTypeError` if an engine would read it as something else."""
    if not text or text.startswith("-") or not text.isprintable() or " " in text:
        msg = f"{_cut(text)} is not the name of an image"
        raise argparse.ArgumentTypeError(msg)
    return text


def _cut(text: str) -> str:
    """Return `text` in quotes, cut off if it is long."""
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…")


OPTIONS: Final = (
    Option("force", "work even if nothing changed; `lock` chooses the newest versions"),
    Option("jobs", "the number of binaries to build at a time (default: one per processor)", "N", _positive),
    Option("binary", "use this finished file instead of building one", "PATH", _path),
    Option("deep", "fetch again every locked file, and compare the binary with them member by member"),
    Option("only", "run only this condition of the smoke test", "CONDITION", _condition),
    Option("keep", "keep the smoke test's directory, and show its path"),
    Option("serve", "leave the program running until Ctrl-C, and show its address"),
    Option("timeout", "use this timeout instead of startup-timeout", "SECONDS", _seconds),
    Option("port", "use this port instead of a free one", "PORT", _port),
    Option("from-source", "build the binary in the first stage of the image's build"),
    Option("image", "describe the Python of this container image", "IMAGE", _image),
    Option("key", "sign with the private key in this file (Ed25519 or ECDSA P-256, PKCS#8)", "PATH", _path),
    Option("no-evidence", "push the image alone, without statements and without the bill of materials"),
    Option("against", "compare the binary with this older file", "PATH", _path),
    Option("max-growth", "fail if the binary is larger than the older one by more than this", "SIZE", _size),
    Option("dry-run", "show what clean would remove, and remove nothing"),
    Option(HELP, "explain these arguments, and do nothing else"),
)
"""Every option, in the order in which users see them."""


_HELP: Final = "`nox -s SESSION -- --help` lists the arguments"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        text = message.replace("ignored explicit argument", "it takes no value, got")
        problem = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
        raise NoxPexError("usage", problem, _HELP)


def parse(posargs: Sequence[str], *, invoked_from: Path) -> Arguments:
    """Parse `posargs`. A relative path is relative to `invoked_from`. Raises `NoxPexError` `usage`."""
    return _parse(tuple(posargs), invoked_from)


@functools.cache  # every session that runs gets the same arguments
def _parse(posargs: tuple[str, ...], invoked_from: Path) -> Arguments:
    if not posargs:
        return Arguments()
    parser = _Parser(prog="nox --", add_help=False, allow_abbrev=False)
    parser.add_argument("names", nargs="*")
    for option in OPTIONS:
        if option.value:
            parser.add_argument(f"--{option.name}", type=option.convert)
        else:
            short = ["-h"] if option.name == HELP else []
            parser.add_argument(f"--{option.name}", *short, action="store_true")
    namespace, unknown = parser.parse_known_intermixed_args(posargs)
    _check_known(posargs, unknown)
    found = vars(namespace)
    names = tuple(dict.fromkeys(found.pop("names")))
    paths = {
        name: invoked_from / path for name in ("binary", "key", "against") if (path := found.pop(name)) is not None
    }
    return Arguments(**found, **paths, names=names)


def asks_for_help(posargs: Sequence[str]) -> bool:
    """Whether `posargs` ask for an explanation of the arguments."""
    return not {f"--{HELP}", "-h"}.isdisjoint(posargs)


def _check_known(posargs: Sequence[str], unknown: Sequence[str]) -> None:
    """Raise `NoxPexError` `usage` for the first of the `unknown` arguments, or for an option that is given twice."""
    known = [f"--{option.name}" for option in OPTIONS]
    for argument in unknown:
        name = argument.partition("=")[0]
        near = nearest(name, known, cutoff=0.7)
        remedy = f"correct the name (did you mean {near}?); {_HELP}" if near else _HELP
        raise NoxPexError("usage", f"there is no option {_cut(name)}", remedy)
    given = Counter(argument.partition("=")[0] for argument in posargs)
    for name in known:
        if given[name] > 1:
            raise NoxPexError("usage", f"{name} is given {given[name]} times", f"give it once; {_HELP}")


def select_binaries(
    arguments: Arguments, known: Collection[str], *, elsewhere: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the binaries that `arguments` names, or all, in the order of `known`, the binaries in the settings.

    `elsewhere` are the binaries of other projects: they may be named too, so that the result may be empty.
    Raises `NoxPexError` `usage` for an unknown name.
    """
    for name in arguments.names:
        if name not in known and name not in elsewhere:
            remedy = did_you_mean(name, {*known, *elsewhere}, otherwise="there are")
            raise NoxPexError("usage", f"no binary is called {_cut(name)}", f"{remedy}; {_HELP}")
    return tuple(name for name in known if not arguments.names or name in arguments.names)


def require_one(names: Sequence[str]) -> None:
    """Raise `NoxPexError` `usage` if there are several binaries with these `names`, for a step that takes one."""
    if len(names) > 1:
        problem = f"diff takes one binary, and there are {len(names)}: {', '.join(names)}"
        raise NoxPexError("usage", problem, "name one of them, as in `nox -s diff -- NAME`")
