"""The scies of a binary in the build record: their inputs, whether they are unchanged, which of them are stale."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nox_pex.distributions import pex_file
from nox_pex.pex.build_record import Change, LastBuild, RecordedScie, is_as_built
from nox_pex.pex.target import Target
from nox_pex.settings.pex_args import scie_options
from nox_pex.system import files
from nox_pex.system.fingerprint import Inputs
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    from nox_pex.distributions import scie_file
    from nox_pex.pex import scie_command
else:
    scie_file = lazy("nox_pex.distributions.scie_file")  # only needed if a binary has scies
    scie_command = lazy("nox_pex.pex.scie_command")

KIND: Final = "scie"
"""The kind of the inputs that only the scies have. If they change, the PEX stays as it is."""


def inputs_of(target: Target) -> Inputs:
    """Return the inputs of the scies that are not those of the PEX; empty without the key `scie`."""
    table = target.table
    if table.scie is None:
        return {}
    options = scie_options(table.pex_args)
    found = {"scie": table.scie, "the options of the scie": hashlib.sha256(json.dumps(options).encode()).hexdigest()}
    for option, value in options:
        file = scie_command.option_file(option, value, root=target.project.root)
        if file is not None:
            found[str(value)] = files.digest(file)
    return {KIND: found}


def recorded(record: Mapping[str, Any], *, stem: str) -> tuple[RecordedScie, ...]:
    """Return the scies in a build record, without those whose file name is not one of the binary `stem`.

    There are none if they are not in the form that nox-pex writes.
    """
    try:
        found = msgspec.convert(record.get("scies", ()), tuple[RecordedScie, ...])
    except (msgspec.ValidationError, UnicodeError):
        return ()
    platforms = [scie_file.platform_in(scie.file, stem=stem) for scie in found]
    return tuple(
        msgspec.structs.replace(scie, platform=platform)
        for scie, platform in zip(found, platforms, strict=True)
        if platform is not None
    )


def change(target: Target, record: Mapping[str, Any], *, last: LastBuild | None) -> Change | None:
    """Return why the scies have to be made again although no input changed; None if they are those in the record.

    `last` is what the private state keeps of the last build.
    """
    if target.table.scie is None:
        return None
    found = recorded(record, stem=target.stem)
    if not found:
        return Change(reasons=("no scie in the build record",), kinds=frozenset({KIND}))
    for scie in found:
        file = target.directory / scie.file
        if not file.exists():
            return Change(reasons=(f"there is no {scie.file}",), kinds=frozenset({KIND}))
        if last is None or not is_as_built(file, last):
            return Change(reasons=(f"{scie.file} was changed after it was built",), kinds=frozenset({KIND}))
    return None


def stale(target: Target, record: Mapping[str, Any], scies: Sequence[RecordedScie]) -> tuple[Path, ...]:
    """Return the files of an older build that are not among `scies`: those in its record that are unchanged since."""
    current = {scie.file for scie in scies}
    former = (scie for scie in recorded(record, stem=target.stem) if scie.file not in current)
    return tuple(
        target.directory / scie.file for scie in former if pex_file.digest(target.directory / scie.file) == scie.sha256
    )


def for_this_machine(scies: Sequence[RecordedScie]) -> RecordedScie | None:
    """Return the scie that this machine can start; None if there is none."""
    here = scie_file.this_platform()
    return next((scie for scie in scies if scie.platform == here), None)
