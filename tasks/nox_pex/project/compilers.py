"""Environment variables with which the compilers of a build backend write no path of this machine."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from nox_pex.system import command

_LINKERS: Final = {"LDSHARED": "CC", "LDCXXSHARED": "CXX"}
"""The commands by which setuptools links an extension, each with the compiler at its beginning."""


_ASK: Final = """\
import json, sysconfig
print(json.dumps({name: sysconfig.get_config_var(name) or "" for name in ("LDSHARED", "CC", "LDCXXSHARED", "CXX")}))
"""


def preprocessor_flags(hidden: Mapping[str, Path], *, given: str) -> str:
    """Return a CPPFLAGS with which the paths in `hidden` (replacement to path) are not in the objects.

    `given` is the user's value. It is last, so that its `-g` asks for debug information after all.

    `-g0` leaves out the debug information, which names the directories of the build and of the headers.
    `-ffile-prefix-map` (GCC 8, Clang 10) replaces a path in `__FILE__`. setuptools, Meson and Autotools add CPPFLAGS to
    the flags that they use for C and C++. A CFLAGS would replace Python's flags in new versions of setuptools, and the
    `-O2` of Autotools.
    """
    # GCC and Clang disagree on the `=` at which a mapping is divided if there are several.
    mappings = [f"-ffile-prefix-map={path}={to}" for to, path in hidden.items() if "=" not in str(path)]
    flags = [shlex.quote(mapping) for mapping in mappings if mapping.isprintable()]
    return " ".join(filter(None, ["-g0", *flags, given]))


def linkers(python: Path, *, cwd: Path, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables LDSHARED and LDCXXSHARED for a Python whose own linker commands name its directory.

    A Python with a shared library, such as those of pyenv, links each extension with a run path (`-Wl,-rpath`) to that
    library. The process that imports the extension has already loaded it. Variables that `environ` has are kept, and
    its CC and CXX are used, as setuptools does.
    """
    try:
        answer = command.capture([python, "-I", "-c", _ASK], cwd=cwd, env=environ)
    except OSError:
        return {}  # the build backend fails as well, and says why
    known: Mapping[str, str] = json.loads(answer.stdout) if answer.returncode == 0 else {}
    found = {name: without_run_path(known.get(name, "")) for name in _LINKERS if name not in environ}
    return {
        name: _with_compiler(link, known[_LINKERS[name]], environ.get(_LINKERS[name]))
        for name, link in found.items()
        if link != known.get(name, "")
    }


def without_run_path(link: str) -> str:
    """Return a linker command without the options `-Wl,-rpath`; the same text if it has none."""
    words = link.split()
    kept = [word for word in words if not word.startswith(("-Wl,-rpath,", "-Wl,-rpath="))]
    return link if kept == words else " ".join(kept)


def _with_compiler(link: str, compiler: str, chosen: str | None) -> str:
    return chosen + link.removeprefix(compiler) if chosen and compiler and link.startswith(compiler) else link
