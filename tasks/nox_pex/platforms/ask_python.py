"""Ask a Python for its tags and markers: that of a session, or one in a container, in which nothing is installed.

pip, Poetry and pex compute tags with `packaging`. The script contains the modules of `packaging`, so its answer is the
same as theirs.
"""

from __future__ import annotations

import base64
import json
import zlib
from importlib import resources
from pathlib import Path
from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.platforms.platform import Platform, parse
from nox_pex.system.command import Shell
from nox_pex.system.environ import tool_environ

_MODULES: Final = ("tags", "_manylinux", "_musllinux", "_elffile")
"""The modules of `packaging` for tags. They import only each other and the standard library."""


_SCRIPT: Final = """\
import base64, importlib.abc, importlib.util, json, os, platform, sys, zlib
SOURCES = json.loads(zlib.decompress(base64.b64decode("{sources}")))
class Embedded(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name in SOURCES:
            return importlib.util.spec_from_loader(name, self, is_package=name == "packaging")
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        exec(SOURCES[module.__name__], module.__dict__)
sys.meta_path.insert(0, Embedded())
from packaging.tags import sys_tags
implementation = sys.implementation
level, serial = implementation.version[3:]
version = "{{0.major}}.{{0.minor}}.{{0.micro}}".format(implementation.version)
on_linux = sys.platform.startswith("linux")
print(json.dumps({{
    "compatible_tags": [str(tag) for tag in sys_tags()],
    "marker_environment": {{
        "implementation_name": implementation.name,
        "implementation_version": version if level == "final" else version + level[0] + str(serial),
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": "" if on_linux else platform.release(),
        "platform_system": platform.system(),
        "platform_version": "" if on_linux else platform.version(),
        "python_full_version": platform.python_version(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }},
}}))
"""
"""Runs on Python 3.9 and later, as the modules of `packaging` do.

On Linux, the kernel's release and version stay empty, which PEP 508 allows for unknown values: they change with the
machine, and a container runs on any kernel."""


_REMEDY: Final = "read its last lines above; a Python for binaries is CPython or PyPy 3.9 or later"


def script() -> str:
    """Return the program, for `python -c`, that prints the description of its Python as one line of JSON."""
    texts = {f"packaging.{name}": (resources.files("packaging") / f"{name}.py").read_text("utf-8") for name in _MODULES}
    sources = {"packaging": "", **texts}
    packed = base64.b64encode(zlib.compress(json.dumps(sources).encode(), 9)).decode("ascii")
    return _SCRIPT.format(sources=packed)


def parse_answer(line: str, *, name: str) -> Platform:
    """Return the platform `name` that `line`, the output of `script`, describes. Raises `ValueError` if it does not."""
    return parse(name, json.loads(line))


def ask(python: Path, shell: Shell) -> Platform:
    """Return the description of the interpreter `python`. Raises `NoxPexError` `python-mismatch` if it fails."""
    outcome = shell.run([python, "-I", "-c", script()], what="ask Python", env=tool_environ(shell.environ))
    if outcome.status != 0:
        problem = f"{python} cannot print its tags and markers (exit status {outcome.status})"
        raise NoxPexError("python-mismatch", problem, _REMEDY, log=outcome.tail)
    try:
        return parse_answer((outcome.output.splitlines() or [""])[-1], name=str(python))
    except ValueError as error:
        problem = f"{python} printed something other than its tags and markers"
        raise NoxPexError("python-mismatch", problem, _REMEDY, log=outcome.tail) from error
