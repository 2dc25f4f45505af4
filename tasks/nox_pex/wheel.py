"""A packaged project as the wheel that its own build backend makes (PEP 517)."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Final

# Not `build`, which does the same: the usual name of a build script of Poetry's is `build.py`, and where Nox is run as
# `python -m nox` or by its noxfile, the project's directory comes first on `sys.path`.
import pyproject_hooks
from packaging.utils import parse_wheel_filename

from nox_pex import metadata, pex, toml
from nox_pex.command import Shell, tool_environ
from nox_pex.environment import Environment, Interpreter, parse_entry_points, record_rows
from nox_pex.errors import NoxPexError
from nox_pex.project import Project
from nox_pex.tools import UTF_8, Provisioner, provide_backend


def build_wheel(project: Project, *, into: Path, interpreter: Interpreter, provisioner: Provisioner) -> Path:
    """Build the project's wheel into the directory `into`; returns its path.

    The backend runs in an environment that has what `[build-system]` requires and no more, on the binary's own Python.
    Raises `NoxPexError` `build-failed` with the backend's output where it fails.
    """
    shell = provisioner.shell
    with tempfile.TemporaryDirectory(prefix=".aside.", dir=into) as aside:
        environment = provide_backend(provisioner, project.build_requires, interpreter=interpreter)
        runner = _Runner(shell, environment, aside=Path(aside))
        try:
            if extra := sorted(set(_hooks(project, environment, runner).get_requires_for_build_wheel())):
                environment = provide_backend(provisioner, [*project.build_requires, *extra], interpreter=interpreter)
                runner = _Runner(shell, environment, aside=Path(aside))
            with _untouched(project.file):
                built = into / _hooks(project, environment, runner).build_wheel(str(into))
        except (*_HOOK_FAILURES, subprocess.CalledProcessError, ValueError) as error:
            said = next(filter(_SAYS_WHY.search, runner.tail), runner.tail[-1] if runner.tail else str(error))
            problem = f"the build backend of {project.root} failed: {said.strip()}"
            remedy = "make `poetry build` succeed there"
            if project.is_built_by_poetry:
                remedy += ", or, if it is no package, set tool.poetry.package-mode = false"
            raise NoxPexError("build-failed", problem, remedy, log=runner.tail) from error
    clean(built)
    return built


def clean(wheel: Path) -> None:
    """Let the metadata in a wheel name no path of this machine and no password; most do not, and stay as they are."""
    new: dict[str, bytes] = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not re.fullmatch(r"[^/]+\.dist-info/METADATA", name):
                continue
            text = archive.read(name).decode("utf-8", "surrogateescape")
            if (cleaned := metadata.cleaned(text)) == text:
                return
            new[name] = cleaned.encode("utf-8", "surrogateescape")
            path = name.replace("METADATA", "RECORD")
            rows = metadata.record_with(archive.read(path).decode("utf-8"), path=name, content=new[name])
            new[path] = rows.encode("utf-8", "surrogateescape")
        if not new:
            return
        with tempfile.TemporaryDirectory(prefix=".cleaning.", dir=wheel.parent) as aside:
            cleaned_wheel = Path(aside) / wheel.name
            with zipfile.ZipFile(cleaned_wheel, "w") as written:
                for entry in archive.infolist():
                    # a copy: where it lies in the new archive is written into it
                    with written.open(copy(entry), "w", force_zip64=entry.file_size > _LARGE) as target:
                        if entry.filename in new:
                            target.write(new[entry.filename])
                        else:
                            with archive.open(entry.filename) as source:
                                shutil.copyfileobj(source, target)
            cleaned_wheel.replace(wheel)


_LARGE: Final = 1 << 31
"""Bytes of a member from which on its sizes do not fit into the plain format."""

_HOOK_FAILURES: Final = (
    pyproject_hooks.BackendUnavailable,
    pyproject_hooks.HookMissing,
    pyproject_hooks.UnsupportedOperation,
)
_SETUPTOOLS: Final = "[build]\nbuild_base = {aside}/build\n\n[egg_info]\negg_base = {aside}/egg\n"
_SAYS_WHY: Final = re.compile(r"(?:^|\s)error(?:\[\w+\])?: ")
"""How compilers begin the line that matters; what stands below it is that their callers failed too."""


@contextlib.contextmanager
def _untouched(file: Path) -> Iterator[None]:
    """Put a TOML file back as it was, where it says the same after the block in other bytes.

    poetry-dynamic-versioning writes the version into it, and takes it out again with blank lines of its own.
    """
    if not file.exists():
        yield
        return
    before = file.read_bytes()
    try:
        yield
    finally:
        after = file.read_bytes()
        with contextlib.suppress(UnicodeDecodeError, toml.TOMLDecodeError):
            if after != before and toml.loads(after.decode("utf-8")) == toml.loads(before.decode("utf-8")):
                file.write_bytes(before)


def _hooks(project: Project, environment: Environment, runner: _Runner) -> pyproject_hooks.BuildBackendHookCaller:
    # Without the table Poetry takes its own backend; with one that names none, the standard has setuptools.
    table: Mapping[str, Any] | None = project.document.get("build-system")
    default = "poetry.core.masonry.api" if table is None else "setuptools.build_meta:__legacy__"
    return pyproject_hooks.BuildBackendHookCaller(
        str(project.root),
        (table or {}).get("build-backend", default),
        backend_path=(table or {}).get("backend-path"),
        python_executable=str(environment.python),
        runner=runner,
    )


def wheel_entry_points(wheel: Path, group: str = "console_scripts") -> Mapping[str, str]:
    """The entry points of `group` in a wheel."""
    return parse_entry_points(_member(wheel, "entry_points.txt"), group)


def wheel_version(wheel: Path) -> str:
    """The version in a wheel's file name (the binary distribution format, PEP 427)."""
    return str(parse_wheel_filename(wheel.name)[1])


def is_pure(wheel: Path) -> bool:
    """Whether a wheel, by its tags (PEP 425), is for every platform and every Python 3."""
    tags = parse_wheel_filename(wheel.name)[3]
    return any(tag.interpreter == "py3" and tag.abi == "none" and tag.platform == "any" for tag in tags)


def wheel_files(wheel: Path) -> tuple[str, ...]:
    """The paths of all files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return tuple(sorted(archive.namelist()))


def unpack(wheel: Path, *, site_packages: Path, prefix: Path) -> None:
    """Lay the files of a wheel out as an installer does, its RECORD with them; scripts are not made."""
    schemes = {"purelib": site_packages, "platlib": site_packages, "scripts": prefix / "bin", "data": prefix}
    moved: dict[str, str] = {}
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            match = re.fullmatch(r"[^/]+\.data/(?P<scheme>[^/]+)/(?P<rest>.+)", entry.filename)
            if entry.is_dir() or (match and match["scheme"] not in schemes):
                continue
            target = schemes[match["scheme"]] / match["rest"] if match else site_packages / entry.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            target.write_bytes(archive.read(entry))
            target.chmod(0o755 if entry.external_attr >> 16 & 0o100 else 0o644)
            moved[entry.filename] = os.path.relpath(target, site_packages)
    (record,) = (site_packages / name for name in moved if re.fullmatch(r"[^/]+\.dist-info/RECORD", name))
    rows = record_rows(record.read_text("utf-8"))
    record.write_text(metadata.record_text((moved[p], d, s) for p, d, s in rows if p in moved), "utf-8")


def _member(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.endswith(f".dist-info/{name}"):
                return archive.read(member).decode("utf-8", "replace")
    return ""


class _Runner:
    """Runs the backend's hooks through our one door; `tail` is the end of the last one's output.

    setuptools works in the directory `aside`: in the project's own it would leave `build/` and an `.egg-info` there,
    and would ship again from `build/` what was removed since.
    """

    def __init__(self, shell: Shell, environment: Environment, *, aside: Path) -> None:
        (aside / "egg").mkdir(exist_ok=True)
        (aside / "setup.cfg").write_text(_SETUPTOOLS.format(aside=aside), "utf-8")
        self._aside = aside
        self.tail: tuple[str, ...] = ()
        self._shell = shell
        self._environment = environment

    def __call__(
        self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        base = tool_environ(self._shell.environ)
        path = os.pathsep.join([str(self._environment.python.parent), base.get("PATH", os.defpath)])
        base.setdefault("DIST_EXTRA_CONFIG", str(self._aside / "setup.cfg"))
        fixed = {"PATH": path, "SOURCE_DATE_EPOCH": pex.EPOCH, **UTF_8}
        env = {**base, **fixed, **(extra_environ or {})}
        outcome = self._shell.run(cmd, what="pex: build backend", env=env, cwd=Path(cwd) if cwd else None)
        self.tail = outcome.tail
        if outcome.status != 0:
            raise subprocess.CalledProcessError(outcome.status, list(cmd), outcome.output)
