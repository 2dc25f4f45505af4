"""The results of `smoke` and `verify` as files in `dist` have them, typed. Pure.

Anybody may have written such a file.
"""

# Without `from __future__ import annotations`: msgspec would compile the text of each annotation in every run.

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from nox_pex.pex.build_record import Sha256, Time

State: TypeAlias = Literal["passed", "failed", "skipped"]


SomeSha256: TypeAlias = Annotated[str, Meta(pattern=r"^(?:[0-9a-f]{64})?\Z")]
"""A SHA-256 in hexadecimal, or empty if the file could not be read."""


class _Result(Struct, frozen=True, kw_only=True):
    """The keys of both results. `settings` and `tools` are those of `Circumstances`, `finished` is the time."""

    name: str
    binary: str
    sha256: SomeSha256
    passed: bool | None
    settings: Sha256
    tools: dict[str, str]
    finished: Time


class Failure(Struct, frozen=True, kw_only=True):
    """The failure of a result: its code, and the problem for the user."""

    code: str
    problem: str


class CheckVerdict(Struct, frozen=True, kw_only=True):
    """One check of a boot."""

    check: str
    passed: bool


class Boot(Struct, frozen=True, kw_only=True):
    """The boot under one condition; `reason` says why it failed or was skipped."""

    condition: str
    state: State
    reason: str | None = None
    verdicts: tuple[CheckVerdict, ...] = ()


class TestedScie(Struct, frozen=True, kw_only=True):
    """A scie that a smoke test started, or that `verify` compared with its PEX."""

    file: str
    sha256: Sha256


class Overrides(Struct, frozen=True, kw_only=True):
    """The options of the command line that changed a smoke test."""

    only: str | None = None
    timeout: float | None = None
    port: int | None = None


class SmokeResult(_Result, frozen=True, kw_only=True):
    """The content of `NAME.smoke.json` that a statement needs."""

    conditions: tuple[Boot, ...]
    scie: TestedScie | None = None
    failure: Failure | None = None
    overrides: Overrides = Overrides()


class GateDetails(Struct, frozen=True, kw_only=True):
    """The details of the gate `integrity` that a statement needs."""

    scies: tuple[TestedScie, ...] = ()


class Gate(Struct, frozen=True, kw_only=True):
    """The result of one gate of `verify`."""

    gate: str
    state: State
    details: GateDetails = GateDetails()


class VerifyResult(_Result, frozen=True, kw_only=True):
    """The content of `NAME.verify.json` that a statement needs."""

    gates: tuple[Gate, ...]
