"""`freeze`: write the pinned requirements of each binary, with every hash of the lock."""

from __future__ import annotations

import functools
import os

from nox_pex.pex.target import Contents, Target
from nox_pex.poetry import lock, requirements
from nox_pex.steps.context import Context
from nox_pex.steps.each_binary import each_binary
from nox_pex.system import files, recipe
from nox_pex.system.fingerprint import Inputs, digests
from nox_pex.system.wording import counted


def run(context: Context) -> None:
    """Write `NAME.requirements.txt` for each binary, unless its inputs are unchanged.

    Raises `NoxPexError` with the first failure, after all binaries.
    """
    each_binary(context, functools.partial(_freeze, context))


def _freeze(context: Context, target: Target) -> None:
    installed = context.installed(target)
    pinned, direct = target.file("requirements.txt"), target.file("requirements-direct.txt")
    state_file, inputs = target.state_file("freeze.json"), _inputs(target, installed)
    shown = os.path.relpath(pinned, context.root)

    def state() -> dict[str, object]:
        return {"inputs": digests(inputs), "files": [files.digest(pinned), files.digest(direct)]}

    if state() == files.read_json(state_file) and pinned.exists() and not context.arguments.force:
        context.say(f"freeze: {target.name} unchanged ({shown})")
        return
    frozen = requirements.freeze(
        installed.distributions,
        lock.read(target.project.lock),
        path_digests=installed.path_digests,
        marker=installed.marker,
    )
    with files.writing(str(pinned)):
        if frozen.direct:
            files.write_text(direct, requirements.direct_text(frozen))
        else:
            direct.unlink(missing_ok=True)
        files.write_text(pinned, requirements.requirements_text(frozen, direct_file=direct.name))
    files.write_json(state_file, state())
    pins, hashes = counted(frozen.indexed, "requirement"), sum(len(pin.hashes) for pin in frozen.indexed)
    context.say(f"freeze: {target.name} pinned, {pins} with {hashes} hashes ({shown})")


def _inputs(target: Target, installed: Contents) -> Inputs:
    """Everything that decides the bytes of the requirements."""
    return {
        "lock": {"poetry.lock": lock.digest(target.project.lock)},
        "distributions": {
            f"{d.name} {d.version}": f"{d.record} {installed.marker(d.name, d.version)}"
            for d in installed.distributions
        },
        "paths": installed.path_digests,
        "recipe": {"nox-pex": recipe.digest()},
    }
