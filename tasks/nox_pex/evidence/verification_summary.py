"""The predicate of `verify`: SLSA "Verification summary" v1. Pure."""

from __future__ import annotations

from typing import Any

from nox_pex.evidence.results import VerifyResult


def predicate(result: VerifyResult, *, version: str | None) -> dict[str, Any]:
    """Return the predicate for the `result` of `verify`; `version` is that of the binary, if it is known."""
    raise NotImplementedError
