"""The passwords and tokens in the configuration files of pip, uv and Poetry, and in the netrc file.

These tools read the files themselves. nox-pex only has to know what must not be in their output.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from nox_pex.system import files
from nox_pex.system.lazy import pattern
from nox_pex.system.secrets import is_secret_name, url_passwords
from nox_pex.tools import index

_TABLE: Final = pattern(r"^\s*\[{1,2}(?P<name>[^\]\r\n]+)\]", re.MULTILINE)


_ASSIGNMENT: Final = pattern(r"^\s*[\"']?(?P<name>[\w.-]+)[\"']?\s*=\s*(?P<value>.*?)\s*$", re.MULTILINE)


_INLINE: Final = pattern(r"\b(?P<name>[\w-]+)\s*=\s*\"(?P<value>[^\"\r\n]*)\"")


_NETRC: Final = pattern(r"\bpassword\s+(?:\"(?P<quoted>[^\"]+)\"|(?P<word>\S+))")


def values(environ: Mapping[str, str], *, prefix: Path, project: Path) -> Iterator[str]:
    """Yield the secrets. `prefix` is as for `index.pip_index`, `project` is the project's directory.

    A file that does not exist or cannot be read has none.
    """
    poetry = index.poetry_config(environ)
    files = (*index.pip_files(environ, prefix=prefix), *index.uv_files(environ), poetry, poetry.with_name("auth.toml"))
    for file in (*files, project / "poetry.toml"):
        text = _text(file)
        yield from url_passwords(text)
        yield from _assigned(text)
    for match in _NETRC.finditer(_text(index.netrc_file(environ))):
        yield match["quoted"] or match["word"]


def _assigned(text: str) -> Iterator[str]:
    """Yield the values of keys that have the name of a secret, or are in a table that has such a name.

    The files are INI or TOML. Neither is parsed here, because an error in it belongs to the tool that needs the file.
    """
    table, tables = "", {match.start(): match["name"] for match in _TABLE.finditer(text)}
    at = 0
    for line in text.splitlines(keepends=True):
        table = tables.get(at, table)
        at += len(line)
        for match in (*_ASSIGNMENT.finditer(line), *_INLINE.finditer(line)):
            if is_secret_name(match["name"]) or is_secret_name(table):
                yield match["value"].strip("\"'")


def _text(file: Path) -> str:
    try:
        return files.read_text(file, errors="replace")
    except (OSError, ValueError):
        return ""
