"""The facts about a finished file that the project knows: its build record, what was installed for it, its lock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nox_pex.errors import NoxPexError
from nox_pex.pex import build_record, scies
from nox_pex.pex.target import Target
from nox_pex.poetry import lock
from nox_pex.poetry.lock import Lock
from nox_pex.steps.context import Context
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    from nox_pex.evidence.sbom import compose, shipped
    from nox_pex.evidence.sbom.compose import Built
    from nox_pex.evidence.sbom.shipped import ShippedFile, ShippedPython
    from nox_pex.pex.build_record import RecordedScie
    from nox_pex.verify import scies as verified_scies
else:
    compose = lazy("nox_pex.evidence.sbom.compose")  # these are not needed if nothing changed
    shipped = lazy("nox_pex.evidence.sbom.shipped")
    verified_scies = lazy("nox_pex.verify.scies")


def record_of(target: Target) -> Path:
    """Return the path of the build record next to the binary, which may be a file that the user names."""
    return target.binary.with_name(f"{target.binary.name}.json")


def facts(context: Context, target: Target, found: ShippedFile, *, open_scies: bool = True) -> Built | None:
    """Return what is known of the file `found`; None if no build record, and nothing that is installed, is about it.

    Without `open_scies`, nothing is said about its scies, which are large files.
    """
    record = record_about(target, sha256=found.sha256)
    locked = lock_of(target)
    if not record or locked is None or record.get("lock-hash") != locked.digest:
        return None
    try:
        contents = context.installed(target)
    except NoxPexError:
        if target.prebuilt is None:
            raise
        return None
    known = tuple(_scies(target)) if open_scies else ()
    return compose.Built(record=record, contents=contents, lock=locked, scies=known)


def record_about(target: Target, *, sha256: str) -> Mapping[str, Any]:
    """Return the build record about the file with this SHA-256, also if it is a scie; empty if there is none."""
    beside, own = build_record.read(record_of(target)), build_record.read(target.record)
    if beside.get("sha256") == sha256:
        return beside
    return own if any(each.sha256 == sha256 for each in scies.recorded(own, stem=target.stem)) else {}


def _scies(target: Target) -> Iterator[tuple[RecordedScie, ShippedPython | None]]:
    """Yield the scies that were built with the binary, each with the Python in it."""
    for each in verified_scies.open_scies(target) or ():
        if each.content is None or each.digests is None or each.digests.whole != each.recorded.sha256:
            continue  # `verify` reports it
        name = each.content.python
        yield each.recorded, next((shipped.python_of(part) for part in each.content.parts if part.name == name), None)


def lock_of(target: Target) -> Lock | None:
    """Return the project's lock; None if there is none that can be read."""
    try:
        return lock.read(target.project.lock)
    except NoxPexError:
        return None
