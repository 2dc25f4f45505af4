"""Explain why a program does not find something.

A module or a file: the record says that the build left it out of the binary. A variable: the environment is clean.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.pex import build_record
from nox_pex.pex.inputs import package_root
from nox_pex.pex.target import Target
from nox_pex.project import left_out
from nox_pex.project.left_out import LeftOut
from nox_pex.project.patterns import quoted
from nox_pex.smoke.log import Log
from nox_pex.system import files, limited
from nox_pex.system.limited import LimitError
from nox_pex.system.messages import Say
from nox_pex.system.outside_text import LINE_BREAK

_MODULE: Final = re.compile(r"No module named '?([\w.]+)")


_NAME: Final = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")


_VARIABLE: Final = re.compile(r"KeyError: '([A-Za-z_][A-Za-z0-9_]*)'")


_SAID: Final = re.compile(
    r"\b([A-Z][A-Z0-9_]*)\W{1,3}"
    r"(?:environment variable\b|not found\. Declare it as envvar|(?:is )?not set\b|must be set\b)"
    r"|[Ee]nvironment variable\W{1,3}([A-Z][A-Z0-9_]*)\b"
)
"""Matches a line in which a program says that a variable is not set, in the words of Django, django-environ, decouple
and environs."""


_SETTINGS: Final = re.compile(
    r"ValidationError: \d+ validation errors? for (\w*(?:settings|config)\w*)$", re.IGNORECASE
)
"""Matches the line in which pydantic-settings says which of its classes lacks values."""


_FIELD: Final = re.compile(r"\s+Field required \[type=missing\b")
"""Matches the line after the name of a field of pydantic that has no value."""


_NOT_INSTALLED: Final = re.compile(r"ModuleNotFoundError: No module named '(\w+)'$")


_COMPLAINT: Final = re.compile(
    r"no such file|not ?found|does ?n[o']t ?exist"
    r"|(?:can(?:no|')t|could not|unable to) (?:be )?(?:open|find|load|locate|read)",
    re.IGNORECASE,
)
"""Matches a line in which a program, or a library that loads templates, says that it does not find a file."""


_QUOTED: Final = re.compile(r"(?<!\w)'([^']+)'|\"([^\"]+)\"|: ([^\s:]+)$")


_MAX_SHOWN: Final = 3
"""The number of entries that a failure names."""


_SECONDS: Final = 10.0
"""Seconds in which one log is searched."""


_MAX_SEARCHED: Final = 5_000
"""The number of files in a directory that are compared with a name."""


class Missing(Struct, frozen=True):
    """The path of a file, or of a module without an ending, that a program did not find."""

    path: str
    is_module: bool = False


def explain(error: NoxPexError, logs: Sequence[Log], *, target: Target, binary: Path, say: Say) -> NoxPexError:
    """Return a failure that names what is missing, if the binary lacks it because it was left out; else `error`.

    Also a variable that the program does not find in its environment is named.

    `logs` are what the program wrote. The record next to the `binary` counts only if it is about that file. `say` shows
    the table that includes the missing files.
    """
    if (name := _unset(error.cause)) is not None:
        add = f"set {name} in {target.key}.smoke.env, or name it in pass-env"
        return _with_remedy(error, f"the smoke test passes on no variable of your shell or of a .env: {add}")
    wanted = {*_missing(error.log), *_missing([error.problem])}
    for each in logs:
        with contextlib.suppress(LimitError):  # the failure itself is more important
            wanted.update(limited.call(_missing_in, each, seconds=_SECONDS))
    if not wanted:
        return error
    record = build_record.of_file(binary)
    root = target.project.root
    below = package_root(target) if target.project.package_mode else target.table.sources.below
    entries = [entry for entry in left_out.from_record(record) if any(_is(entry, each, root, below) for each in wanted)]
    if not entries:
        return _not_installed(error)
    chosen, key = target.table.sources, f"{target.key}.sources"
    names = ", ".join(map(str, entries[:_MAX_SHOWN]))
    patterns = [entry.include for entry in entries[:_MAX_SHOWN] if entry.include is not None]
    if not patterns:
        return _with_remedy(error, f"the binary lacks {names}, which no setting includes")
    toml = left_out.table(chosen, patterns, key=key)
    say(f"the binary lacks {names}; {left_out.where_to_paste(chosen)}:{LINE_BREAK}{toml}")
    added = ", ".join(map(quoted, patterns))
    return _with_remedy(error, f"the binary lacks {names}: add {added} to {key}.include")


def _not_installed(error: NoxPexError) -> NoxPexError:
    """Return a failure that says how a module gets into the binary, if it ended the program; else `error`."""
    found = _NOT_INSTALLED.match(error.cause[-1]) if error.cause else None
    if found is None:
        return error
    remedy = f"nothing in the binary provides the module {found[1]}: add what does to the dependencies that ship"
    return _with_remedy(error, f"{remedy}, with `poetry add` and without a dev group")


def _unset(cause: Sequence[str]) -> str | None:
    """Return the variable, or the variables, that the program does not find in its environment; else None."""
    found = next(filter(None, map(_VARIABLE.search, reversed(cause))), None)
    if found is not None and any("environ" in line for line in cause):
        return found[1]
    said = next(filter(None, map(_SAID.search, reversed(cause))), None)
    return (said[1] or said[2]) if said is not None else _unset_fields(cause)


def _unset_fields(cause: Sequence[str]) -> str | None:
    """Return what the fields that a class of pydantic-settings lacks are read from; None if it lacks none."""
    settings = next(filter(None, map(_SETTINGS.search, cause)), None)
    fields = [name.strip() for name, line in itertools.pairwise(cause) if _FIELD.match(line)]
    if settings is None or not fields:
        return None
    return f"the variable of {' and of '.join(fields[:_MAX_SHOWN])} ({settings[1]})"


def _with_remedy(error: NoxPexError, remedy: str) -> NoxPexError:
    return error.replaced(remedy=remedy)


def _missing_in(output: Log) -> set[Missing]:
    return {*_missing(output.lines())}


def _missing(lines: Iterable[str]) -> Iterator[Missing]:
    """Yield the modules and files that `lines` of a log say are missing."""
    for line in lines:
        if module := _MODULE.search(line):
            yield Missing(module[1].replace(".", "/"), is_module=True)
        elif name := _NAME.search(line):
            yield Missing(f"{name[2]}.{name[1]}".replace(".", "/"), is_module=True)
        elif _COMPLAINT.search(line):
            for groups in _QUOTED.findall(line):
                text = "".join(groups).strip("'\"")
                if text.strip("/.") and " HTTP/" not in text:
                    yield Missing(os.path.normpath(text))


def _is(entry: LeftOut, missing: Missing, root: Path, below: str) -> bool:
    """Whether the entry is what is missing, or contains it. In the binary, the directory `below` is not in its path."""
    path = entry.path.removeprefix(f"{below}/") if below else entry.path
    directory = path.endswith("/")
    path = path.rstrip("/")
    if missing.is_module:
        stem = path if directory else path.partition(".")[0]
        contains = directory and _has_module(root / entry.path, missing.path)
        return missing.path == stem or (directory and missing.path.startswith(f"{path}/")) or contains
    sought = f"/{missing.path.lstrip('/')}/"
    if f"/{path}/" in sought if directory else sought.endswith(f"/{path}/"):
        return True
    relative = not missing.path.startswith(("/", ".."))
    if directory:
        return relative and _has_file(root / entry.path, missing.path)
    return relative and f"/{path}".endswith(f"/{missing.path}")


def _has_module(directory: Path, path: str) -> bool:
    return (directory / path).is_dir() or (directory / f"{path}.py").is_file()


def _has_file(directory: Path, path: str) -> bool:
    """Whether a directory, or one in it, has a file of this relative path; large directories are not searched whole."""
    if (directory / path).exists():
        return True
    for seen, entry in enumerate(files.entries(directory)):
        if seen == _MAX_SEARCHED:
            return False
        if entry.path.endswith(f"/{path}") and not entry.is_dir(follow_symlinks=False):
            return True
    return False
