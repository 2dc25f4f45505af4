"""`freeze`: write the pinned requirements of each binary, with every hash of the lock."""

from __future__ import annotations

import functools
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nox_pex.errors import NoxPexError
from nox_pex.pex.target import Contents, Target, platforms_of
from nox_pex.poetry import lock, requirements
from nox_pex.poetry.lock import Lock
from nox_pex.steps.context import Context
from nox_pex.steps.each_binary import each_binary
from nox_pex.steps.outcome import Note
from nox_pex.system import files, os_errors, recipe
from nox_pex.system.fingerprint import Inputs, digests
from nox_pex.system.lazy import lazy
from nox_pex.system.messages import unchanged, warned
from nox_pex.system.wording import counted

if TYPE_CHECKING:
    from nox_pex.poetry import file_urls, pylock
else:
    file_urls = lazy("nox_pex.poetry.file_urls")  # not needed if nothing changed
    pylock = lazy("nox_pex.poetry.pylock")


def run(context: Context) -> None:
    """Write `NAME.requirements.txt` and `pylock.NAME.toml` for each binary, unless its inputs are unchanged.

    Raises `NoxPexError` with the first failure, after all binaries.
    """
    each_binary(context, functools.partial(_freeze, context))


def _freeze(context: Context, target: Target) -> None:
    installed = context.installed(target)
    pinned, direct = target.file("requirements.txt"), target.file("requirements-direct.txt")
    standard = target.directory / requirements.pylock_name(target.stem)
    state_file, inputs = target.state_file("freeze.json"), _inputs(target, installed)
    shown = os.path.relpath(pinned, context.root)

    def state() -> dict[str, object]:
        return {"inputs": digests(inputs), "files": [files.digest(file) for file in (pinned, direct, standard)]}

    if state() == files.read_json(state_file) and pinned.exists() and not context.arguments.force:
        missing = "" if standard.exists() else f", without {standard.name}: `-- --force` tries again"
        context.say(unchanged(f"freeze: {target.name} unchanged ({shown}{missing})"))
        context.journal.note(target.stem, Note(result="unchanged"))
        return
    locked = lock.read(target.project.lock)
    frozen = requirements.freeze(
        installed.distributions,
        locked,
        path_digests=installed.path_digests,
        marker=installed.marker,
    )
    pylock_text = _pylock_text(context, target, installed, locked)
    with os_errors.writing(str(pinned), place=pinned.parent):
        if frozen.direct:
            files.write_text(direct, requirements.direct_text(frozen))
        else:
            direct.unlink(missing_ok=True)
        if pylock_text is not None:
            files.write_text(standard, pylock_text)
        else:
            standard.unlink(missing_ok=True)
        files.write_text(pinned, requirements.requirements_text(frozen, direct_file=direct.name))
    files.write_json(state_file, state())
    pins, hashes = counted(frozen.indexed, "requirement"), sum(len(pin.hashes) for pin in frozen.indexed)
    context.say(f"freeze: {target.name} pinned, {pins} with {hashes} hashes ({shown})")


def _pylock_text(context: Context, target: Target, installed: Contents, locked: Lock) -> str | None:
    """The content of `pylock.NAME.toml`; None if the package index cannot say where the files are.

    That does not stop a build, which may have everything else from caches. A cache or a tool that is not safe does.
    """
    locator = file_urls.FileLocator(
        project=target.project,
        provisioner=context.provisioner,
        poetry_version=context.settings.poetry_version,
        force=context.arguments.force,
    )
    environments = _environments(installed)
    try:
        urls = locator.locate(pylock.from_index(installed.distributions, locked), locked=locked)
        return pylock.text(
            installed.distributions,
            locked,
            urls=urls,
            environments=environments,
            marker=installed.marker,
            directory=target.directory,
        )
    except NoxPexError as error:
        if error.code in ("cache-unsafe", "hash-mismatch"):
            raise
        shown = error.masked(context.secrets.mask)
        name = requirements.pylock_name(target.stem)
        context.say(warned(f"freeze: {name} is not written: {shown.problem}; {shown.remedy}"))
        return None


def _environments(installed: Contents) -> Sequence[Mapping[str, str]]:
    """The marker environments of the Pythons that `installed` is for."""
    if platforms := platforms_of(installed):
        return [each.markers for each in platforms]
    python = installed.interpreter
    return [
        {
            "python_version": python.minor,
            "platform_python_implementation": python.implementation.partition("+")[0],
            "sys_platform": sys.platform,
            "platform_machine": platform.machine(),
        }
    ]


def _inputs(target: Target, installed: Contents) -> Inputs:
    """Everything that decides the bytes of the files."""
    return {
        "lock": {"poetry.lock": lock.digest(target.project.lock)},
        "distributions": {
            f"{d.name} {d.version}": f"{d.record} {installed.marker(d.name, d.version)}"
            for d in installed.distributions
        },
        "paths": installed.path_digests,
        "recipe": {"nox-pex": recipe.digest()},
    }
