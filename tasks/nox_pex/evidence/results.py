"""The results of `smoke`, `verify` and `image` as files in `dist` have them, typed. Pure.

Anybody may have written such a file.
"""

# Without `from __future__ import annotations`: msgspec would compile the text of each annotation in every run.

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from nox_pex.oci.descriptor import Digest
from nox_pex.pex.build_record import Sha256, Time, Times

State: TypeAlias = Literal["passed", "failed", "skipped"]


SomeSha256: TypeAlias = Annotated[str, Meta(pattern=r"^(?:[0-9a-f]{64})?\Z")]
"""A SHA-256 in hexadecimal, or empty if the file could not be read."""


class _Result(Struct, frozen=True, kw_only=True):
    """The keys of all results. `settings` and `tools` are those of `Circumstances`, `finished` is the time."""

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


class TestedManifest(Struct, frozen=True, kw_only=True):
    """The manifest of an image for one platform (`linux/arm64`), and the boots of its container.

    `digest` is None if an engine built the image: then only the registry's copy has a manifest. `base` is the digest of
    the base's manifest; None if it is not known.
    """

    platform: str
    digest: Digest | None = None
    base: Digest | None = None
    conditions: tuple[Boot, ...]


class TestedBase(Struct, frozen=True, kw_only=True):
    """The base of an image: its name in the settings.

    `digest` is that of the index or manifest that the name stands for in its registry; None if it is not known. `id` is
    the engine's id of it.
    """

    name: str
    digest: Digest | None = None
    id: str | None = None


class ImageResult(_Result, frozen=True, kw_only=True, rename="kebab"):
    """The content of `NAME.image.json` that a statement needs.

    `tags` are the image's names, and `layers` the digests of its layers above the base. `id` is the engine's id of it,
    and `digest` that of the index or manifest that nox-pex wrote: one of the two is there. `sha256` is that of the
    binary in the image, empty if it is not known. `built` are the times at which the image's build began and ended.
    """

    engine: str
    tags: tuple[str, ...]
    layers: tuple[str, ...] = ()
    id: str | None = None
    digest: Digest | None = None
    base: TestedBase
    platforms: Annotated[tuple[TestedManifest, ...], Meta(min_length=1)]
    built: Times
    from_source: bool = False
    failure: Failure | None = None
    overrides: Overrides = Overrides()

    @property
    def smoke(self) -> SmokeResult:
        """The result as that of a smoke test. The conditions of one platform of several have its name after theirs."""
        several = len(self.platforms) > 1
        boots = [
            msgspec.structs.replace(boot, condition=f"{boot.condition} ({each.platform})") if several else boot
            for each in self.platforms
            for boot in each.conditions
        ]
        return SmokeResult(
            name=self.name,
            binary=self.binary,
            sha256=self.sha256,
            passed=self.passed,
            settings=self.settings,
            tools=self.tools,
            finished=self.finished,
            conditions=tuple(boots),
            failure=self.failure,
            overrides=self.overrides,
        )
