"""The words after `--`: one grammar for all our sessions, since Nox hands them to every session that runs."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, NoReturn

from msgspec import Struct

from nox_pex.errors import NoxPexError

_USAGE: Final = (
    "[NAME …] [--force] [--binary PATH] [--deep] "
    "[--only CONDITION] [--keep] [--serve] [--timeout SECONDS] [--port PORT]"
)


class Words(Struct, frozen=True, kw_only=True):
    """What a user asked for. Each session takes what is its own.

    `names` are the binaries meant (all, where empty). `force` works even where nothing changed. `binary` is a finished
    file to take instead of building one. `deep` lets `verify` fetch again what is locked. The rest is the smoke test's:
    `only` one condition, `keep` its directory, `serve` until interrupted, `timeout` in seconds instead of
    `startup-timeout`, `port` instead of a free one.
    """

    names: tuple[str, ...] = ()
    force: bool = False
    binary: Path | None = None
    deep: bool = False
    only: str | None = None
    keep: bool = False
    serve: bool = False
    timeout: float | None = None
    port: int | None = None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        problem = f"cannot use the words after `--`: {message}"
        raise NoxPexError("usage", problem, f"they are {_USAGE}")


def parse(posargs: Sequence[str], *, invoked_from: Path) -> Words:
    """`posargs` as `Words`; a relative path is taken from `invoked_from`. Raises `NoxPexError` `usage`."""
    parser = _Parser(prog="nox --", add_help=False, allow_abbrev=False)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--binary", type=Path)
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--timeout", type=float)
    parser.add_argument("--port", type=int)
    found = parser.parse_intermixed_args(list(posargs))
    return Words(
        names=tuple(dict.fromkeys(found.names)),
        force=found.force,
        binary=invoked_from / found.binary if found.binary is not None else None,
        deep=found.deep,
        only=found.only,
        keep=found.keep,
        serve=found.serve,
        timeout=found.timeout,
        port=found.port,
    )


def chosen(words: Words, known: Collection[str]) -> tuple[str, ...]:
    """The binaries that `words` means, in the settings' order. Raises `NoxPexError` `usage` for an unknown one."""
    for name in words.names:
        if name not in known:
            from difflib import get_close_matches  # noqa: PLC0415 (for an error alone)

            near = get_close_matches(name, known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise NoxPexError("usage", f"no binary is called {name!r}", f"{remedy} The words are {_USAGE}")
    return tuple(name for name in known if not words.names or name in words.names)
