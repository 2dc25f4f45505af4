"""The forms of the results in `dist`, as the page shows them. Anybody may have written such a file.

`evidence.results` has the parts that a statement needs. Here, every number and every list has a limit, and keys that
older versions did not write may be missing.
"""

# Without `from __future__ import annotations`: msgspec would compile the text of each annotation in every run.

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from nox_pex.evidence.results import SomeSha256, State
from nox_pex.oci.descriptor import Digest
from nox_pex.pex.build_record import Time

Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=10_000_000)]
"""A duration."""


Bytes: TypeAlias = Annotated[int, Meta(ge=0, le=2**62)]


Text: TypeAlias = Annotated[str, Meta(max_length=100_000)]
"""A text of a program, or about one. The page shows the beginning of a long one."""


Status: TypeAlias = Annotated[int, Meta(ge=-1000, le=1000)]
"""The status of an answer, or an exit status."""


class Result(Struct, frozen=True, kw_only=True):
    """The keys of all results."""

    name: Text
    sha256: SomeSha256
    finished: Time | None = None
    seconds: Seconds | None = None


class Failure(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The failure of a result. Its fields are those of `NoxPexError`; `log_file` is a file in `dist`."""

    code: Text
    problem: Text
    remedy: Text = ""
    by_hand: Text | None = None
    subject: Text = ""
    rows: Annotated[tuple[tuple[Text, Text], ...], Meta(max_length=1000)] = ()
    cause: Annotated[tuple[Text, ...], Meta(max_length=10_000)] = ()
    log: Annotated[tuple[Text, ...], Meta(max_length=10_000)] = ()
    log_lines: Annotated[int, Meta(ge=0, le=2**62)] = 0
    log_file: Text | None = None


class Phase(Struct, frozen=True, kw_only=True):
    """A phase of a boot: `start` is in seconds from the launch."""

    name: Annotated[str, Meta(max_length=40)]
    start: Seconds
    seconds: Seconds


class Answer(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The answer that a check got."""

    status: Status | None = None
    milliseconds: Annotated[float, Meta(ge=0, le=10_000_000_000)] = 0.0
    bytes: Bytes = 0
    content_type: Text = ""
    body: Text = ""


class Verdict(Struct, frozen=True, kw_only=True):
    """One check of a boot."""

    check: Text
    passed: bool
    expected: Text = ""
    came: Text = ""
    seconds: Seconds = 0.0
    request: Text = ""
    answer: Answer | None = None


class Stop(Struct, frozen=True, kw_only=True):
    """The stop of a program. `status` is None if it had to be killed."""

    signal: Annotated[str, Meta(max_length=20)]
    status: Status | None = None
    seconds: Seconds = 0.0


class Boot(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The boot under one condition. `checks` are those in the settings, `verdicts` those that were made."""

    condition: Annotated[str, Meta(max_length=100)]
    state: State
    reason: Text | None = None
    ready_after: Seconds | None = None
    checks: Annotated[int, Meta(ge=0, le=100_000)] = 0
    verdicts: Annotated[tuple[Verdict, ...], Meta(max_length=1000)] = ()
    stop: Stop | None = None
    memory: Bytes | None = None
    phases: Annotated[tuple[Phase, ...], Meta(max_length=100)] = ()


Boots: TypeAlias = Annotated[tuple[Boot, ...], Meta(max_length=100)]


class Overrides(Struct, frozen=True, kw_only=True):
    """The options of the command line that changed a smoke test."""

    only: Text | None = None
    timeout: Seconds | None = None
    port: int | None = None

    def __str__(self) -> str:
        given = {"only": self.only, "timeout": self.timeout, "port": self.port}
        return " ".join(f"--{name} {value}" for name, value in given.items() if value is not None)


class Smoke(Result, frozen=True, kw_only=True):
    """The content of `NAME.smoke.json`. `passed` is None if the program was served, and nothing was checked."""

    passed: bool | None
    conditions: Boots
    failure: Failure | None = None
    overrides: Overrides = Overrides()


class Gate(Struct, frozen=True, kw_only=True):
    """The result of one gate."""

    gate: Annotated[str, Meta(max_length=100)]
    state: State
    summary: Text = ""
    seconds: Seconds = 0.0
    problems: Annotated[tuple[Text, ...], Meta(max_length=100_000)] = ()
    notes: Annotated[tuple[Text, ...], Meta(max_length=100_000)] = ()
    failure: Failure | None = None


class Verify(Result, frozen=True, kw_only=True):
    """The content of `NAME.verify.json`."""

    passed: bool
    gates: Annotated[tuple[Gate, ...], Meta(max_length=100)]


class Base(Struct, frozen=True, kw_only=True):
    """The base of an image."""

    name: Text
    digest: Digest | None = None
    python: Text = ""


class Manifest(Struct, frozen=True, kw_only=True):
    """The image for one platform, and the boots of its container."""

    platform: Annotated[str, Meta(max_length=100)]
    digest: Digest | None = None
    conditions: Boots = ()


class Image(Result, frozen=True, kw_only=True, rename="kebab"):
    """The content of `NAME.image.json`."""

    passed: bool | None
    engine: Text
    base: Base
    tags: Annotated[tuple[Text, ...], Meta(max_length=1000)] = ()
    id: Text | None = None
    digest: Digest | None = None
    form: Text = ""
    bytes_over_base: Bytes | None = None
    platforms: Annotated[tuple[Manifest, ...], Meta(max_length=100)] = ()
    failure: Failure | None = None

    @property
    def conditions(self) -> tuple[Boot, ...]:
        """The boots of all platforms."""
        return tuple(boot for each in self.platforms for boot in each.conditions)


class Referrer(Struct, frozen=True, kw_only=True):
    """A reference to an image in a registry."""

    kind: Annotated[str, Meta(max_length=100)]


class Repository(Struct, frozen=True, kw_only=True):
    """A repository that an image was pushed to."""

    referrers: Annotated[tuple[Referrer, ...], Meta(max_length=1000)] = ()


class Push(Result, frozen=True, kw_only=True, rename="kebab"):
    """The content of `NAME.push.json`. `signed_by` is the id of the key; None without one."""

    digest: Digest
    names: Annotated[tuple[Text, ...], Meta(max_length=1000)] = ()
    tags: Annotated[tuple[Text, ...], Meta(max_length=1000)] = ()
    signed_by: Text | None = None
    bytes_sent: Bytes = 0
    repositories: Annotated[tuple[Repository, ...], Meta(max_length=1000)] = ()
