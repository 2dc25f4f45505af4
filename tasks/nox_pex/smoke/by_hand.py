"""The command lines with which a user repeats by hand what a smoke test runs. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from nox_pex.system.secrets import Secrets

_HERE: Final = '"$PWD"'


def program(
    executable: Path,
    args: Sequence[str],
    *,
    env: Mapping[str, str],
    pass_env: Iterable[str],
    tmp: Path,
    secrets: Secrets,
    stdin: str = "",
) -> str:
    """Return a line for a POSIX shell that starts a program as the smoke test does.

    It runs in an empty directory, with the variables of a new login and those of the settings. That directory is also
    its HOME, and replaces `tmp`, which does not exist any more. A variable with a secret is the shell's own.
    """
    variables = {name: _word(value, tmp) for name, value in env.items() if secrets.mask(value) == value}
    shell = {"PATH", *pass_env, *env} - variables.keys()
    assigned = {**{name: f'"${name}"' for name in sorted(shell)}, "HOME": _HERE, "TMPDIR": _HERE, **variables}
    words = [*(f"{name}={value}" for name, value in assigned.items()), str(shlex.quote(str(executable)))]
    line = " ".join(["env -i", *words, *(_word(each, tmp) for each in args)])
    given = f"printf {_printf(stdin)} | " if stdin else ""
    return secrets.mask(f'cd "$(mktemp -d)" && {given}{line}')


def own_command(command: Sequence[str], *, env: Mapping[str, str], project: Path, tmp: Path, secrets: Secrets) -> str:
    """Return a line for a POSIX shell that runs a command of `before` or `after`: in the project, with `env` added.

    `tmp` does not exist any more: a new directory replaces it.
    """
    shown = {name: value for name, value in env.items() if secrets.mask(value) == value}
    new = '"$tmp"'
    words = [*(f"{name}={_word(value, tmp, by=new)}" for name, value in shown.items())]
    words = [*(["env", *words] if words else []), *(_word(each, tmp, by=new) for each in command)]
    made = "tmp=$(mktemp -d) && " if any(new in word for word in words) else ""
    return secrets.mask(f"cd {shlex.quote(str(project))} && {made}{' '.join(words)}")


def _word(text: str, tmp: Path, *, by: str = _HERE) -> str:
    """Return `text` as one word for a shell, with the variable `by` in the place of the directory `tmp`."""
    return by.join(_quoted(part) for part in text.split(str(tmp))) or "''"


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
