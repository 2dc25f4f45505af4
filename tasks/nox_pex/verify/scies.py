"""The scies of a binary: each holds the verified PEX byte for byte, and is the file in the build record.

What science adds to the PEX, scie-jump and a portable Python, comes from other projects. The lift manifest has their
digests, which are compared with the content. The file is opened and read once, as a stream, and never run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from nox_pex.distributions import scie_file
from nox_pex.distributions.scie_file import ScieError
from nox_pex.pex import build_record, scies
from nox_pex.pex.build_record import RecordedScie
from nox_pex.pex.target import Target
from nox_pex.system.wording import counted
from nox_pex.verify.gates.verdict import Verdict


class OpenScie(Struct, frozen=True, kw_only=True):
    """A scie in the build record, and its content with its digests; None if it cannot be read, with the `problem`."""

    recorded: RecordedScie
    content: scie_file.Scie | None = None
    digests: scie_file.Digests | None = None
    problem: str | None = None


def open_scies(target: Target) -> tuple[OpenScie, ...] | None:
    """Return the scies that nox-pex built with the binary; None if the binary has none, or is another file."""
    if target.table.scie is None or target.prebuilt is not None:
        return None
    recorded = scies.recorded(build_record.read(target.record), stem=target.stem)
    return tuple(_open(each, target.directory / each.file) for each in recorded)


def _open(recorded: RecordedScie, path: Path) -> OpenScie:
    try:
        content, digests = scie_file.read_whole(path)
    except ScieError as error:
        return OpenScie(recorded=recorded, problem=str(error))
    return OpenScie(recorded=recorded, content=content, digests=digests)


def with_scies(verdict: Verdict, found: Sequence[OpenScie] | None, *, pex_sha256: str) -> Verdict:
    """Return the verdict of the gate `integrity` on a PEX, together with that on its scies, `found`."""
    if found is None:
        return verdict
    problems = tuple(problem for scie in found for problem in _problems(scie, pex_sha256=pex_sha256))
    if not found:
        problems = ("the build record has no scie, and the settings ask for one",)
    return replace(
        verdict,
        summary=f"{verdict.summary}; {counted(found, 'scie')} {'with' if not problems else 'compared with'} this PEX",
        problems=(*verdict.problems, *problems),
        details={
            **verdict.details,
            "scies": [{"file": each.recorded.file, "sha256": each.recorded.sha256} for each in found],
        },
    )


def manifests(found: Sequence[OpenScie] | None) -> Mapping[str, Mapping[str, Any]]:
    """Return the lift manifest of each scie that can be read, by a name for the report."""
    return {
        f"{each.recorded.file} (lift manifest)": each.content.manifest
        for each in found or ()
        if each.content is not None
    }


def _problems(scie: OpenScie, *, pex_sha256: str) -> Iterator[str]:
    name, content, digests = scie.recorded.file, scie.content, scie.digests
    if content is None or digests is None:
        yield f"{name}: {scie.problem}"
        return
    if digests.whole != scie.recorded.sha256:
        yield f"{name} is not the file in the build record"
    for part in content.parts:
        if part.offset is not None and digests.parts[part.name] != part.sha256:
            yield f"{name}: {part.name} in it does not match the digest in the lift manifest"
    pex = content.pex
    if pex is None or pex.offset is None:
        yield f"{name} holds no PEX"
    elif digests.parts[pex.name] != pex_sha256:
        yield f"{name} holds another PEX"
