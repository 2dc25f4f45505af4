"""The command lines with which a user repeats by hand what a smoke test runs."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from nox_pex.system.secrets import Secrets

_HERE: Final = '"$PWD"'


_LONGEST_STDIN: Final = 400
"""Characters of the longest text that a line passes to standard input."""


def program(
    binary: Path,
    args: Sequence[str],
    *,
    env: Mapping[str, str],
    pass_env: Iterable[str],
    tmp: Path,
    secrets: Secrets,
    stdin: Path = Path(os.devnull),
) -> str:
    """Return a line for a POSIX shell that starts a program as the smoke test does.

    It runs in an empty directory, with the variables of a new login and those of the settings. That directory is also
    its HOME, and replaces `tmp`, which does not exist any more. A variable with a secret is the shell's own. `stdin` is
    the file that the program reads, which is not shown if it is long.
    """
    variables = {name: _word(value, tmp) for name, value in env.items() if secrets.mask(value) == value}
    shell = {"PATH", *pass_env, *env} - variables.keys()
    assigned = {**{name: f'"${name}"' for name in sorted(shell)}, "HOME": _HERE, "TMPDIR": _HERE, **variables}
    executable = binary / "__main__.py" if binary.is_dir() else binary
    words = [*(f"{name}={value}" for name, value in assigned.items()), shlex.quote(str(executable))]
    line = " ".join(["env -i", *words, *(_word(each, tmp) for each in args)])
    text = stdin.read_text("utf-8") if stdin.is_file() else ""
    given = f"printf {_printf(text)} | " if 0 < len(text) <= _LONGEST_STDIN else ""
    after = " < STDIN" if len(text) > _LONGEST_STDIN else ""
    return secrets.mask(f'cd "$(mktemp -d)" && {given}{line}{after}')


def own_command(
    command: Sequence[str], *, env: Mapping[str, str], project: Path, tmp: Path | None, secrets: Secrets
) -> str:
    """Return a line for a POSIX shell that runs a command of `before` or `after`: in the project, with `env` added.

    `tmp` does not exist any more: a new directory replaces it. None if the command has none.
    """
    shown = {name: value for name, value in env.items() if secrets.mask(value) == value}
    new = '"$tmp"'
    words = [*(f"{name}={_word(value, tmp, by=new)}" for name, value in shown.items())]
    words = [*(["env", *words] if words else []), *(_word(each, tmp, by=new) for each in command)]
    made = "tmp=$(mktemp -d) && " if any(new in word for word in words) else ""
    return secrets.mask(f"cd {shlex.quote(str(project))} && {made}{' '.join(words)}")


def _word(text: str, tmp: Path | None, *, by: str = _HERE) -> str:
    """Return `text` as one word for a shell, with the variable `by` in the place of the directory `tmp`."""
    parts = [text] if tmp is None else text.split(str(tmp))
    return by.join(map(_quoted, parts)) or "''"


def _quoted(text: str) -> str:
    if not text:
        return ""
    return shlex.quote(text) if text.isprintable() else f'"$(printf {_printf(text)})"'


def _printf(text: str) -> str:
    """Return the argument of `printf` that prints `text`: on one line, whatever control characters are in it."""
    return shlex.quote("".join(_escaped(text)))


def _escaped(text: str) -> Iterator[str]:
    for place, character in enumerate(text):
        if character in "\\%":
            yield character * 2
        elif character.isprintable() and (place or character != "-"):  # it would begin an option of `printf`
            yield character
        else:
            yield "".join(f"\\{byte:03o}" for byte in character.encode(errors="surrogateescape"))
