"""The outcome of a step for one binary: what the table on the screen and the summary of a CI job are made of.

Every text in it is masked, and escaped as `outside_text.shown` does: it is on one line and has no control characters.
"""

# Without `from __future__ import annotations`: msgspec would compile the text of each annotation in every run.

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from nox_pex.errors import Code

Result: TypeAlias = Literal["passed", "failed", "skipped", "unchanged"]


_Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=10_000_000)]
_Bytes: TypeAlias = Annotated[int, Meta(ge=0, le=2**62)]
"""The numbers that are read back; what another process left may be anything."""


class Cause(Struct, frozen=True, kw_only=True):
    """The cause of a failure, a `NoxPexError` as text: its fields have the same names.

    `file` and `line` are the place in the project at which a CI system shows it, relative to the checkout; empty and 0
    if there is none.
    """

    code: Code
    problem: str
    remedy: str
    subject: str = ""
    rows: tuple[tuple[str, str], ...] = ()
    log: tuple[str, ...] = ()
    log_file: str = ""
    by_hand: str = ""
    file: str = ""
    line: int = 0

    @property
    def key(self) -> tuple[str, str, str]:
        """The code, the problem and the remedy. Failures that have them in common have one cause."""
        return self.code, self.problem, self.remedy


class Part(Struct, frozen=True, kw_only=True):
    """One part of a step: a condition of a smoke test, a gate, what was pushed.

    `text` says more in a few words: why it failed or was skipped, or what was checked. `seconds` is how long a boot
    took until it was ready, or how long a gate took; None if it was not measured. `memory` is in bytes.
    """

    name: str
    result: Result
    text: str = ""
    seconds: _Seconds | None = None
    memory: _Bytes | None = None


class Note(Struct, frozen=True, kw_only=True):
    """The part of an outcome that only the step knows, apart from a failure.

    `reason` says why it was skipped, or what was made in a few words. `file` is what was made, relative to the
    directory in which the user started the run. `size` is that of the binary in bytes, and `size_before` the one that
    it had before this run; None if it is not known. `section` is Markdown, made for people by the step, which the
    summary of a CI job takes as it is.
    """

    result: Literal["passed", "skipped", "unchanged"] = "passed"
    reason: str = ""
    file: str = ""
    size: _Bytes | None = None
    size_before: _Bytes | None = None
    parts: tuple[Part, ...] = ()
    section: str = ""


class Outcome(Struct, frozen=True, kw_only=True):
    """The outcome of `step` for one binary.

    `project` is the label of the project in the names of its sessions; empty if it is the only one. `binary` is the
    name of the binary, with that of its Python if there are several; empty if the step failed before any binary.
    `cause` is set if the step failed, and only then. `seconds` is how long the step took for this binary. The other
    fields are those of `Note`.
    """

    project: str
    binary: str
    step: str
    result: Result
    seconds: _Seconds = 0.0
    cause: Cause | None = None
    reason: str = ""
    file: str = ""
    size: _Bytes | None = None
    size_before: _Bytes | None = None
    parts: tuple[Part, ...] = ()
    section: str = ""

    def replaces(self, other: "Outcome") -> bool:
        """Whether this is a newer outcome of the same step for the same binary."""
        return (self.project, self.binary, self.step) == (other.project, other.binary, other.step)

    @property
    def name(self) -> str:
        """The name for a table: that of the binary, with the project if that has another name."""
        if self.project and self.binary and self.project != self.binary:
            return f"{self.project}: {self.binary}"
        return self.binary or self.project

    @property
    def explanation(self) -> str:
        """Why it failed or was skipped, for a table: `lock-stale: poetry.lock is older than …`; otherwise `reason`."""
        return self.reason if self.cause is None else f"{self.cause.code}: {self.cause.problem}"
