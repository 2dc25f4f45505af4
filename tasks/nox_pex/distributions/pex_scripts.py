"""The scripts in an installed wheel of pex: those it generates from entry points, and those a distribution has.

Both begin with `#!python`, because the interpreter is only known when the PEX is unpacked.
Fact source: pex 2.105 (`pex.entry_points_txt`, `pex.executables`, `pex.dist_metadata.Distribution.parse_entry_map`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_PYTHON_SHEBANG: Final = re.compile(
    rb"(?:^|.*\W)(?:python|pypy)(?:\d+(?:\.\d+)*)?(?:\.exe)?(?:\s[^\s]|$)", re.IGNORECASE
)
"""The rest of a first line that starts Python (`pex.executables`)."""


_ENCODING: Final = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-_.a-zA-Z0-9]+)")
"""A line that declares an encoding (PEP 263)."""


def for_any_python(file: Path) -> bytes | None:
    """Return the content of a script of Python with `#!python` as its first line; None for another program."""
    with file.open("rb") as opened:
        if opened.read(2) != b"#!":
            return None
        first, second = opened.readline().rstrip(), opened.readline()
        if not _PYTHON_SHEBANG.match(first):
            quoted = opened.readline() if _ENCODING.match(second) else second
            if first != b"/bin/sh" or not (quoted == b"'''': pshprs\n" or _is_shell_start(quoted)):
                return None
        opened.seek(0)
        if opened.readline().rstrip() != b"#!/bin/sh":
            return b"#!python\n" + opened.read()
        line = opened.readline()
        encoding = line if _ENCODING.match(line) else b""
        if encoding:
            opened.readline()
        while (line := opened.readline()) and not line.endswith(b"'''\n"):
            pass
        return b"#!python\n" + encoding + opened.read()


def _is_shell_start(line: bytes) -> bool:
    """Whether a line is the second of a script that starts its interpreter by a shell."""
    return re.match(rb"'''.*exec.+", line) is not None and line.count(b"'") >= len("''''")


def generated(text: bytes) -> Mapping[str, str]:
    """Return the scripts that pex generates, name to object reference: console scripts, then GUI scripts.

    `text` is an `entry_points.txt` that pex can parse. Raises `ValueError` if pex could understand it differently.
    """
    groups: dict[str, dict[str, str]] = {}
    group: dict[str, str] | None = None
    for line in (line.strip() for line in text.decode("utf-8").splitlines()):
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            group = groups.setdefault(line[1:-1], {})
            continue
        name, _, value = line.partition("=")
        if group is None:
            msg = "entry_points.txt has an entry without a group"
            raise ValueError(msg)
        group[name.strip()] = value.partition("[")[0].strip()
    console, gui = groups.get("console_scripts", {}), groups.get("gui_scripts", {})
    if console.keys() & gui.keys():
        msg = "a console script and a GUI script have the same name"
        raise ValueError(msg)
    return {**console, **gui}


_LAUNCHER: Final = """\
#!python
# -*- coding: utf-8 -*-
import importlib
import sys

entry_point = importlib.import_module({module!r})
for attr in {attributes!r}:
    entry_point = getattr(entry_point, attr)

if __name__ == "__main__":
    import os
    pex_root_fallback = os.environ.get("_PEX_ROOT_FALLBACK")
    if pex_root_fallback:
        import atexit
        import shutil

        atexit.register(shutil.rmtree, pex_root_fallback, True)

    sys.exit(entry_point())
"""


_MODULE_LAUNCHER: Final = """\
#!python
# -*- coding: utf-8 -*-
import runpy
import sys

if __name__ == "__main__":
    import os
    pex_root_fallback = os.environ.get("_PEX_ROOT_FALLBACK")
    if pex_root_fallback:
        import atexit
        import shutil

        atexit.register(shutil.rmtree, pex_root_fallback, True)

    runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
    sys.exit(0)
"""


def launcher(reference: str) -> bytes:
    """Return the script that pex generates for an object reference (`pex.entry_points_txt.install_scripts`)."""
    module, colon, attributes = (part.strip() for part in reference.partition(":"))
    if not colon:
        return _MODULE_LAUNCHER.format(module=module).encode()
    return _LAUNCHER.format(module=module, attributes=tuple(attributes.split("."))).encode()
