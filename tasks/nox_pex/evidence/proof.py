"""Whether the results in `dist` prove something about a file: read, bounded, typed, and compared with today."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from nox_pex.evidence.results import SmokeResult, VerifyResult
from nox_pex.pex.target import Target


class Proof(Struct, frozen=True, kw_only=True):
    """The results that prove one file. `scies` are the file names of the scies that they prove too."""

    smoke: SmokeResult
    verify: VerifyResult
    scies: tuple[str, ...] = ()


def require(target: Target, *, sha256: str, scies: Mapping[str, str]) -> Proof:
    """Return the results of `smoke` and `verify` that prove the file with this SHA-256.

    `scies` are the SHA-256 of the scies in its build record, by file name. Only one that the same smoke test started,
    and that the same `verify` compared with the PEX, is in the proof; one for another platform is not.
    Raises `NoxPexError` `not-proven` with all problems.
    """
    raise NotImplementedError
