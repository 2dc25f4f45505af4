"""`pex`: build each binary, unless its inputs are unchanged."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from msgspec.structs import replace

from nox_pex.distributions import pex_file
from nox_pex.distributions.pex_file import PexError
from nox_pex.pex.builder import Builder
from nox_pex.pex.target import Target
from nox_pex.steps.context import Context, shown_path
from nox_pex.steps.each_binary import each_binary
from nox_pex.steps.outcome import Note
from nox_pex.system import processors
from nox_pex.system.messages import prefixed
from nox_pex.tools import pinned
from nox_pex.tools.provision import Provisioner


def run(context: Context) -> None:
    """Build each binary, several at a time.

    Raises `NoxPexError` with the first failure, after all binaries.
    """
    jobs = context.arguments.jobs or (1 if context.parallel else processors.count())
    at_once = min(len(context.targets), jobs)
    builder = Builder(provisioner=context.provisioner, force=context.arguments.force)

    def build(target: Target) -> None:
        named = replace(builder, provisioner=_naming(context, target)) if at_once > 1 else builder
        before, size_before = _identity(target.output), _size(target.output)
        named.build(target, context.installed(target))
        unchanged = before is not None and before == _identity(target.output)
        note = Note(
            result="unchanged" if unchanged else "passed",
            file=shown_path(context, target.output),
            size=size_before if unchanged else _size(target.output),
            size_before=size_before,
        )
        context.journal.note(target.stem, note)

    each_binary(context, build, at_once=at_once)


def prepare(context: Context) -> None:
    """Install the pex that builds each binary. Raises `NoxPexError`."""
    for target in context.targets:
        interpreter = context.installed(target).interpreter
        pinned.provide_pex(context.provisioner, context.settings.pex_version, interpreter=interpreter)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what another file or directory, which a build moves into this place, has not; None if there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns


def _size(path: Path) -> int | None:
    """Return the bytes of the binary; None if there is none."""
    with contextlib.suppress(PexError, OSError):
        return pex_file.size(path)
    return None


def _naming(context: Context, target: Target) -> Provisioner:
    """A provisioner that puts the name of the binary before each line that it shows."""
    shell = replace(context.provisioner.shell, say=prefixed(context.say, f"{target.name} | "))
    return replace(context.provisioner, shell=shell)
