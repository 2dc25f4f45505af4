"""The files of the virtual environment itself: what `venv` of the standard library and pex's tools add to it.

Pex's own files (`__main__.py`, `pex`, `pex-repl`, …) are those that the pex in the binary writes: it is run once with
the settings of the binary and none of its distributions, by the Python of this machine, and the result is kept.
Scripts that activate an environment in a shell are left out: they differ with each version of Python.
Fact source: pex 2.105 (`pex.venv.installer.install_pex_main`, `pex.repl.pex_repl`), `Lib/venv/__init__.py` of CPython.
"""

from __future__ import annotations

import ast
import hashlib
import posixpath
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from nox_pex.distributions import pex_info
from nox_pex.errors import NoxPexError
from nox_pex.image.base_image import ImagePython
from nox_pex.image.content.open_pex import INFO, RUNTIME, OpenPex
from nox_pex.image.content.reinstall import Environment
from nox_pex.oci.layer_store import LayerStore, key_of
from nox_pex.oci.layer_writer import Entry
from nox_pex.pex import cli
from nox_pex.system import plain_paths
from nox_pex.system.command import Shell

_WITHOUT: Final[Mapping[str, Any]] = {
    "code_hash": "0" * 40,
    "deps_are_wheel_files": False,
    "distributions": {},
    "excluded": [],
    "ignore_errors": False,
    "interpreter_constraints": [],
    "overridden": [],
    "requirements": [],
}
"""The values in the PEX-INFO of a PEX without distributions, which any Python runs."""


_OF_PYTHON: Final = (".gitignore", "bin/", "include/", "lib64", "pyvenv.cfg", INFO)
"""Paths whose content is written here, and not taken from the environment that pex makes."""


_SHEBANG: Final = b"#!/usr/bin/env python3\n"
"""pex requires one, although the command line names the interpreter."""


_BASE: Final = "{{nox-pex root}}"


_INTERPRETER: Final = "{{nox-pex interpreter}}"
_LIBRARY: Final = "{{nox-pex library}}"


_BANNER: Final = re.compile(r"^_BANNER = (?P<value>.*)$", re.MULTILINE)


_SUMMARY: Final = re.compile(r"^_PEX_INFO_SUMMARY = (?P<value>.*)$", re.MULTILINE)


_NO_DEPENDENCIES: Final = "no dependencies"


def environment_files(python: ImagePython, environment: Environment) -> Iterator[Entry]:
    """Yield the files that `python -m venv --without-pip` makes for the base's Python, without the shell's scripts."""
    executable, minor = python.executable, tuple(int(part) for part in python.minor.split("."))
    home = posixpath.dirname(executable)
    lines = [f"home = {home}", "include-system-site-packages = false", f"version = {python.version}"]
    if minor >= (3, 11):
        lines += [f"executable = {executable}", f"command = {executable} -m venv --without-pip {environment.root}"]
    yield Entry(path="pyvenv.cfg", content="".join(f"{line}\n" for line in lines).encode())
    yield Entry(path=f"bin/{environment.python}", target=executable)
    for name in ("python", "python3"):
        yield Entry(path=f"bin/{name}", target=environment.python)
    yield Entry(path="lib64", target="lib")
    yield Entry(path="include" if minor < (3, 11) else f"include/{environment.python}")
    yield Entry(path=environment.library)


def pex_files(
    pex: OpenPex,
    environment: Environment,
    *,
    version: str,
    distributions: Sequence[str],
    store: LayerStore,
    shell: Shell,
) -> Iterator[Entry]:
    """Yield the files that pex adds to an environment of `pex`, without PEX-INFO.

    `version` is that of the base's Python, `distributions` are the wheels that pex activates, in its order. Raises
    `NoxPexError` `image-build` if pex fails.
    """
    settings = {**pex.info.values, **_WITHOUT}
    settings.pop("pex_hash", None)
    found = store.remembered(
        key_of("pex files", 2, settings, _launcher_digest(pex)),
        lambda: _made_by_pex(pex.archive, settings, shell),
    )
    for path, facts in found.items():
        text = facts.get("text")
        if text is None:
            yield Entry(path=_filled(path, environment), target=facts.get("target"))
            continue
        if path == "pex-repl":
            text = _repl(text, pex.info.requirements, version=version, distributions=distributions)
        content = _filled(text, environment).encode()
        yield Entry(path=_filled(path, environment), content=content, executable=facts["executable"])


def _launcher_digest(pex: OpenPex) -> str:
    """Return the digest of pex's launcher, without the hash of the binary in it, which changes with each edit."""
    of_binary = str(pex.info.values.get("pex_hash", "")).encode()
    return hashlib.sha256(pex.archive.read("__main__.py").replace(of_binary, b"")).hexdigest()


def _made_by_pex(archive: zipfile.ZipFile, settings: Mapping[str, Any], shell: Shell) -> dict[str, dict[str, Any]]:
    """Return the files that pex writes into an environment, by path, with placeholders for its own paths."""
    with plain_paths.plain_directory() as scratch:
        pex = scratch / "settings.pex"
        _write_pex(archive, settings, pex)
        root = scratch / "app"
        environ = {**cli.pex_environ(shell.environ), "PEX_TOOLS": "1", "PEX_ROOT": str(scratch / "root")}
        argv: list[str | Path] = [sys.executable, pex, "venv", root]
        outcome = shell.run(argv, what="image: pex", env=environ, cwd=scratch)
        if outcome.status != 0:
            problem = f"the pex in the binary cannot make an environment (exit status {outcome.status})"
            remedy = 'read its last lines above; the binary needs include-tools = true or execution-mode = "venv"'
            raise NoxPexError("image-build", problem, remedy, log=outcome.tail)
        return dict(_read(root))


def _write_pex(archive: zipfile.ZipFile, settings: Mapping[str, Any], output: Path) -> None:
    with output.open("xb") as file:
        file.write(_SHEBANG)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as written:
            for member in archive.infolist():
                if member.filename.startswith(RUNTIME):
                    written.writestr(member.filename, archive.read(member))
            written.writestr(INFO, pex_info.text_of({**settings, "pex_hash": pex_info.pex_hash(settings)}))


def _read(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    library = f"lib/{name}/site-packages"

    def general(text: str) -> str:
        inner = text.replace(f"{root}/bin/{name}", _INTERPRETER).replace(library, _LIBRARY)
        return inner.replace(str(root), _BASE)

    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root).as_posix()
        if relative.startswith(_OF_PYTHON) or (path.is_dir() and not path.is_symlink()) or "__pycache__" in relative:
            continue
        if path.is_symlink():
            yield relative, {"target": general(str(path.readlink()))}
        else:
            executable = bool(path.stat().st_mode & 0o100)
            yield general(relative), {"text": general(path.read_text("utf-8")), "executable": executable}


def _filled(text: str, environment: Environment) -> str:
    inner = text.replace(_INTERPRETER, environment.interpreter).replace(_LIBRARY, environment.library)
    return inner.replace(_BASE, environment.root)


def _repl(text: str, requirements: Sequence[str], *, version: str, distributions: Sequence[str]) -> str:
    """Return the text of `pex-repl` with the requirements, the distributions and the Python of the image.

    If pex has written it in another form than expected, it stays as it is: it is only shown to people.
    """
    banner, summary = _literal(_BANNER, text), _literal(_SUMMARY, text)
    if banner is None or summary is None:
        return text
    banner = banner.replace(sys.version, version)
    if distributions:
        counts = f"{_counted(requirements, 'requirement')} and {_counted(distributions, 'activated distribution')}"
        banner = banner.replace(_NO_DEPENDENCIES, counts)
        lines = ["Requirements:", *(f"  {each}" for each in requirements)]
        lines += ["Activated Distributions:", *(f"  {each}" for each in distributions)]
        summary = "\n".join([summary, *lines])
    text = _BANNER.sub(lambda _: f"_BANNER = {banner!r}", text, count=1)
    return _SUMMARY.sub(lambda _: f"_PEX_INFO_SUMMARY = {summary!r}", text, count=1)


def _literal(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    try:
        value = ast.literal_eval(match["value"]) if match is not None else None
    except (SyntaxError, ValueError):
        return None
    return value if isinstance(value, str) else None


def _counted(values: Sequence[str], noun: str) -> str:
    return f"{len(values)} {noun}" + ("" if len(values) == 1 else "s")
