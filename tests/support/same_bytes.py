"""An oracle for builds: after each change, the fast build gives the bytes that a build from scratch gives.

The fast build goes through the steps `install` and `pex`, with the caches that the builds before it left. The build
from scratch is of a copy of the project in another place, by pex alone, with empty caches.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct
from msgspec.structs import replace

from nox_pex.distributions.environment import Environment
from nox_pex.pex.builder import Builder
from nox_pex.pex.target import Target
from nox_pex.project import pyproject
from nox_pex.steps import install
from nox_pex.steps.context import Context
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from nox_pex.tools import pinned
from nox_pex.tools.cache import Caches
from nox_pex.tools.provision import Provisioner, find_uv
from tests.support import one_build
from tests.support.changing_project import POETRY_CORE, ChangingProject
from tests.support.known_pythons import KnownPythons
from tests.support.nox_project import CHECKOUT
from tests.support.warm.tools import COLD

THIS: Final = Path(sys.executable).resolve()

_SHOWN: Final = 400
"""Characters of a difference that are shown."""


class Oracle(Struct, frozen=True, kw_only=True):
    """Compares builds of `project` in the environment of a user's shell, with a Python of this machine.

    `scratch` is an empty directory for the builds from scratch. `tools` is a directory with installed tools, which
    all caches share. With `pythons`, pex finds out only once what it wants to know about a Python.
    """

    project: ChangingProject
    environ: Mapping[str, str]
    scratch: Path
    tools: Path
    python: Path = THIS
    pythons: KnownPythons | None = None
    said: list[str]

    @classmethod
    def of(cls, directory: Path, *, environ: Mapping[str, str], index: str) -> Oracle:
        """Return an oracle for a new project in `directory` whose default index is at the URL `index`.

        The tools are those of the cache in `environ`, and are installed into it first if they are missing.
        """
        provide_tools(environ)
        (cache := directory / "cache").mkdir(0o700)
        tools = Path(environ["NOX_PEX_CACHE_DIR"]) / "tools"
        (cache / "tools").symlink_to(tools)
        (scratch := directory / "scratch").mkdir()
        separate = {
            "NOX_PEX_CACHE_DIR": str(cache),
            "PIP_INDEX_URL": f"{index}/simple/",
            "POETRY_CACHE_DIR": str(directory / "poetry"),
        }
        (known := directory / "pythons").mkdir()
        return cls(
            project=ChangingProject(directory / "shop"),
            environ={**environ, **separate},
            scratch=scratch,
            tools=tools,
            pythons=KnownPythons(directory=known),
            said=[],
        )

    def context(self, *, root: Path | None = None, cache: Path | None = None, force: bool = False) -> Context:
        """Return the context of a run: in the project, or in a copy of it with another cache."""
        environ = {**self.environ, **({"NOX_PEX_CACHE_DIR": str(cache)} if cache else {})}
        return one_build.context(
            root or self.project.root, self.python, environ=environ, said=self.said, force=force, pythons=self.pythons
        )

    @contextlib.contextmanager
    def started(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start a fast build in another process. After the block, kill it and every process that it has started."""
        argv = [sys.executable, "-m", "tests.support.one_build", str(self.python)]
        path = os.pathsep.join(str(CHECKOUT / directory) for directory in (".", "tasks"))
        environ = {**self.environ, **COLD, "PYTHONPATH": path, "PWD": str(self.project.root)}
        with subprocess.Popen(argv, cwd=self.project.root, env=environ, start_new_session=True) as process:
            try:
                yield process
            finally:
                with contextlib.suppress(psutil.NoSuchProcess):
                    family = psutil.Process(process.pid).children(recursive=True)
                    process.kill()
                    for each in family:
                        each.kill()

    def check(self, step: str, *, only: tuple[str, ...] = (), force: bool = False, install_again: bool = False) -> int:
        """Build fast and from scratch, and compare; return the number of binaries. `only` are those to compare.

        Raises `AssertionError` with the `step` and the first difference.
        """
        self.said.clear()
        context = self.context(force=force)
        one_build.build(context)
        targets = [target for target in context.targets if not only or target.name in only]
        with self._references(context, targets, install_again=install_again) as references:
            for target in targets:
                found = difference(target.output, references[target.name], bytecode=not target.table.compile)
                assert not found, f"after {step!r}, {target.name} differs from the build from scratch: {found}"
        return len(targets)

    @contextlib.contextmanager
    def _references(
        self, context: Context, targets: list[Target], *, install_again: bool
    ) -> Iterator[Mapping[str, Path]]:
        """Build `targets` from scratch, with what is installed in `context`, or with what Poetry installs again."""
        # A new name each time: this process keeps locks on the directories of every cache that it has used.
        home = Path(tempfile.mkdtemp(dir=self.scratch))
        copy, cache = home / "checkout", home / "cache"
        shutil.copytree(self.project.root, copy, symlinks=True, ignore=_without_results)
        cache.mkdir(0o700)
        (cache / "tools").symlink_to(self.tools)
        another = self.context(root=copy, cache=cache, force=True)
        try:
            if install_again:
                install.run(another)
            builder = Builder(provisioner=another.provisioner, force=True, from_scratch=True)
            project = pyproject.read(copy)

            def build(target: Target) -> Path:
                copied = replace(target, project=project, state=another.state)
                builder.build(copied, (another if install_again else context).installed(target))
                return copied.output

            with ThreadPoolExecutor(2) as pool:
                yield {target.name: result for target, result in zip(targets, pool.map(build, targets), strict=True)}
        finally:
            shutil.rmtree(home)


def provide_tools(environ: Mapping[str, str], python: Path = THIS) -> list[Path]:
    """Install Poetry, pex and poetry-core from the real index into the cache in `environ`.

    Return the environments of Poetry and pex.
    """
    shell = Shell(environ=environ, secrets=Secrets(), say=lambda _: None)
    provisioner = Provisioner(shell=shell, caches=Caches.of(environ), uv=find_uv(environ))
    with tempfile.TemporaryDirectory() as directory:
        environment = Environment(path=Path(directory) / "environment")
        provisioner.create(environment.path, python=python, seed=False)
        interpreter = environment.interpreter()
        pinned.provide_backend(provisioner, POETRY_CORE, interpreter=interpreter)
        poetry = pinned.provide_poetry(provisioner, None).python
        return [
            python.parents[1] for python in (poetry, pinned.provide_pex(provisioner, None, interpreter=interpreter))
        ]


def _without_results(directory: str, names: list[str]) -> set[str]:
    """The names that a fresh checkout does not have, for `shutil.copytree`."""
    return {name for name in names if name in ("dist", ".nox", "__pycache__")} if ".git" not in directory else set()


def difference(ours: Path, theirs: Path, *, bytecode: bool = True) -> str:
    """Return the first difference between two binaries; empty if they are the same bytes with the same permissions.

    Without `bytecode`, the content of compiled files may differ: Python does not write the same bytes each time.
    """
    if not ours.exists():
        return "there is no binary"
    first, second = _tree(ours), _tree(theirs)
    if list(first) != list(second):
        return f"files: {_first_different(list(first), list(second))}"
    for name, (mode, content) in first.items():
        other_mode, other = second[name]
        if mode != other_mode:
            return f"{name or 'the file'} has the mode {mode:o}, and not {other_mode:o}"
        if content != other and (bytecode or not name.endswith(".pyc")):
            found = _in_archive(content, other, bytecode=bytecode)
            if found:
                return f"{name}: {found}"
    return ""


def _tree(path: Path) -> dict[str, tuple[int, bytes]]:
    """Every file, link and directory of a binary by name, with its mode and its content."""
    if path.is_file():
        return {"": (path.stat().st_mode, path.read_bytes())}
    entries = {"": (path.stat().st_mode, b"")}
    for each in sorted(path.rglob("*")):
        mode = each.lstat().st_mode
        if stat.S_ISLNK(mode):
            content = str(each.readlink()).encode()
        else:
            content = each.read_bytes() if stat.S_ISREG(mode) else b""
        entries[each.relative_to(path).as_posix()] = (mode, content)
    return entries


def _in_archive(ours: bytes, theirs: bytes, *, bytecode: bool) -> str:
    """Describe the first difference of two files, in the member that it is in if both are archives.

    Empty if without `bytecode` there is none.
    """
    try:
        first, second = (zipfile.ZipFile(io.BytesIO(content)) for content in (ours, theirs))
    except zipfile.BadZipFile:
        return _first_different(*(_lines(content) for content in (ours, theirs)))
    with first, second:
        if found := _in_members(first, second, bytecode=bytecode):
            return found
        starts = [min((info.header_offset for info in each.infolist()), default=0) for each in (first, second)]
    if not bytecode:
        return ""
    heads = [content[:start] for content, start in zip((ours, theirs), starts, strict=True)]
    if heads[0] != heads[1]:
        return f"the head: {_first_different(*map(_lines, heads))}"
    at = next((at for at, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    return f"the same members, but other bytes from {at} on: {ours[at : at + 40]!r}, and not {theirs[at : at + 40]!r}"


def _in_members(ours: zipfile.ZipFile, theirs: zipfile.ZipFile, *, bytecode: bool) -> str:
    """Describe the first difference of the members of two archives; empty if there is none."""
    first, second = ours.infolist(), theirs.infolist()
    if [info.filename for info in first] != [info.filename for info in second]:
        return f"members: {_first_different([i.filename for i in first], [i.filename for i in second])}"
    for mine, its in zip(first, second, strict=True):
        if mine.filename.endswith(".pyc") and not bytecode:
            continue
        if (mine.CRC, mine.file_size) != (its.CRC, its.file_size):
            if found := _in_archive(ours.read(mine), theirs.read(its), bytecode=bytecode):
                return f"{mine.filename}: {found}"
            continue
        for field in _FIELDS:
            values = [getattr(info, field) for info in (mine, its)]
            if values[0] != values[1]:
                return f"{mine.filename}: {field} is {values[0]}, and not {values[1]}"
    return ""


_FIELDS: Final = ("external_attr", "compress_type", "compress_size", "flag_bits", "date_time", "extra")
"""The fields of a member that must be the same."""


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", "backslashreplace").replace(",", ",\n").splitlines()


def _first_different(ours: list[str], theirs: list[str]) -> str:
    """The lines with which the first difference of two texts begins: `-` are ours, `+` those from scratch."""
    found = [
        line for line in difflib.unified_diff(ours, theirs, lineterm="", n=0) if line[:2] not in ("--", "++", "@@")
    ]
    return " ".join(found)[:_SHOWN] or "other bytes"
