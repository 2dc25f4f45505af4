"""The predicate of a smoke test: in-toto "Test result" v0.1. Pure."""

from __future__ import annotations

from typing import Any

from nox_pex.evidence.results import SmokeResult
from nox_pex.pex.circumstances import Circumstances
from nox_pex.system.secrets import Secrets


def predicate(result: SmokeResult, circumstances: Circumstances, *, secrets: Secrets) -> dict[str, Any]:
    """Return the predicate for the smoke test `result`, obtained under `circumstances`.

    `result` is PASSED, or WARNED if a condition was skipped, or FAILED. The settings are in it, unless one of `secrets`
    is in them; their digest always is.
    """
    raise NotImplementedError
