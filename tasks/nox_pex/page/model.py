"""The data of a page about a binary, and of the index of several pages. Pure.

Secrets are masked in it. Names, versions, texts and answers are from outside: anybody may have chosen them, and
whoever shows them escapes them. Sizes are in bytes, durations in seconds, times in UTC as RFC 3339 has them.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from nox_pex.contents.difference import Difference
from nox_pex.contents.model import BinaryContents
from nox_pex.evidence.kinds import Kind
from nox_pex.evidence.results import State

Standing = Literal["current", "changed", "other-file", "not-run", "unreadable"]
"""The standing of a result. `current`: it is about exactly this file. `changed`: it is about this file, and somebody
has changed it since this checkout wrote it. `other-file`: it is about another one, so it counts as not run. `not-run`:
there is none. `unreadable`: it is damaged, or not one that nox-pex writes."""


Outcome = Literal["passed", "failed", "incomplete", "not-run"]
"""The outcome of everything, or of one step. `incomplete`: a part was not run, or cannot be relied on."""


class Command(Struct, frozen=True, kw_only=True):
    """A command line to paste, quoted for a shell. `where` is the directory to run it in, in words: `the project`."""

    text: str
    where: str
    purpose: str = ""


class Proof(Struct, frozen=True, kw_only=True):
    """The result of one step: `smoke`, `verify`, `sbom`, `image`, `push`, `attest`.

    `summary` says in one line what came out, or why there is nothing. `note` says what is odd about the result.
    `finished` is empty if it is not known. `file` is the name of the file in `dist`. `command` runs the step; None if
    no session does.
    """

    step: str
    standing: Standing
    outcome: Outcome
    summary: str
    note: str = ""
    finished: str = ""
    file: str = ""
    command: Command | None = None


class Verdict(Struct, frozen=True, kw_only=True):
    """The verdict about exactly this file: the outcome, and in one sentence why."""

    outcome: Outcome
    reason: str


class Identity(Struct, frozen=True, kw_only=True):
    """The file, and what it was built from.

    `name` is that of the binary, `project` that of the project. `is_recorded` says whether a build record describes
    exactly this file: without one, everything after `size` is empty, or comes from the file itself. `dirty` is None if
    no commit is known. `checksum` is the command that compares the file with its SHA-256. `note` says what is odd about
    the build record; empty if nothing is.
    """

    name: str
    project: str
    file: str
    sha256: str
    size: int
    is_directory: bool
    is_scie: bool
    is_recorded: bool
    version: str = ""
    commit: str = ""
    dirty: bool | None = None
    started: str = ""
    finished: str = ""
    python: str = ""
    platforms: tuple[str, ...] = ()
    tools: tuple[tuple[str, str], ...] = ()
    scies: tuple[ScieFile, ...] = ()
    checksum: Command | None = None
    note: str = ""


class ScieFile(Struct, frozen=True, kw_only=True):
    """An executable with Python inside that was built with the file, as the build record has it."""

    file: str
    platform: str
    size: int
    sha256: str


class Phase(Struct, frozen=True, kw_only=True):
    """A phase of a boot: `launch`, `unpack`, `venv`, `imports`, `ready`, `checks`, … `start` is from the launch."""

    name: str
    start: float
    seconds: float


class Answer(Struct, frozen=True, kw_only=True):
    """The answer of a server, or the end of a command. `status` is that of HTTP, or the exit status."""

    status: int | None
    seconds: float
    size: int
    content_type: str = ""
    body: str = ""


class Check(Struct, frozen=True, kw_only=True):
    """One check of a boot. `request` is empty if it is not known."""

    name: str
    passed: bool
    expected: str = ""
    got: str = ""
    seconds: float = 0.0
    request: str = ""
    answer: Answer | None = None


class Boot(Struct, frozen=True, kw_only=True):
    """The boot under one condition. `check_count` is the number of checks in the settings, `checks` were made.

    `stop` says how it was stopped. `memory` is the peak of resident memory.
    """

    condition: str
    state: State
    reason: str = ""
    ready_after: float | None = None
    check_count: int = 0
    checks: tuple[Check, ...] = ()
    phases: tuple[Phase, ...] = ()
    stop: str = ""
    stop_seconds: float | None = None
    memory: int | None = None


class Failure(Struct, frozen=True, kw_only=True):
    """A failure of a step: its code (`check-failed`), the problem, the remedy, and the command to run by hand.

    `subject` names what failed (`service, warm: GET /items`). `rows` are labels and texts, such as `expected` and
    `got`. `log` are the lines of the program's log that say why, or else its last lines; the log has `log_count` lines,
    and `log_file` is the file in `dist` with all of them. Each may be empty.
    """

    step: str
    code: str
    problem: str
    remedy: str = ""
    by_hand: str = ""
    subject: str = ""
    rows: tuple[tuple[str, str], ...] = ()
    log: tuple[str, ...] = ()
    log_count: int = 0
    log_file: str = ""


class Gate(Struct, frozen=True, kw_only=True):
    """The result of one gate of `verify`."""

    name: str
    state: State
    summary: str
    seconds: float = 0.0
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    code: str = ""


class Hash(Struct, frozen=True, kw_only=True):
    """A locked file, and its hash (`sha256:…`)."""

    file: str
    hash: str


class Licence(Struct, frozen=True, kw_only=True):
    """A licence: an expression of SPDX, or a name from the metadata."""

    text: str
    is_spdx: bool


class Distribution(Struct, frozen=True, kw_only=True):
    """A distribution in the file, in the order of their names.

    `locked` is the locked file that it was installed from: one, or all that it may have been. `from_sdist`: the wheel
    was built from it here. `origin` is its package URL. `path` leads from a direct dependency of the project to it;
    empty for the project itself, and if nothing is known to need it. `via` is the group or the extra of the first one
    (`group docs`); empty for the main group. `is_direct` is None if it is not known what the project declares. `stored`
    and `size` are its bytes in the file, and unpacked.
    """

    name: str
    version: str
    summary: str = ""
    homepage: str = ""
    licences: tuple[Licence, ...] = ()
    locked: tuple[Hash, ...] = ()
    from_sdist: bool = False
    origin: str = ""
    is_project: bool = False
    is_direct: bool | None = None
    path: tuple[str, ...] = ()
    via: str = ""
    stored: int = 0
    size: int = 0
    notes: tuple[str, ...] = ()


class LeftOut(Struct, frozen=True, kw_only=True):
    """A file or directory that does not ship, the reason, and the pattern that includes it; empty if none can."""

    path: str
    reason: str
    include: str = ""


class SignedKind(Struct, frozen=True, kw_only=True):
    """A kind of statement about the file: whether its statement is there, and the ids of the keys that claim it."""

    kind: Kind
    is_stated: bool
    keyids: tuple[str, ...] = ()


class Evidence(Struct, frozen=True, kw_only=True):
    """One piece of evidence that travels with the file: its title, facts as pairs, and the commands to paste."""

    title: str
    standing: Standing
    file: str = ""
    note: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    commands: tuple[Command, ...] = ()


class Making(Struct, frozen=True, kw_only=True):
    """How the file was made: the seconds of each part, the digests of its inputs by kind, and how to do it again."""

    seconds: tuple[tuple[str, float], ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()
    lock: str = ""
    sources: tuple[tuple[str, int], ...] = ()
    commands: tuple[Command, ...] = ()


class Page(Struct, frozen=True, kw_only=True):
    """Everything that a page shows, from top to bottom.

    `contents` is None if the file cannot be read as a PEX; `problem` then says why. `difference` is None if there is no
    earlier build to compare with; `baseline` then says so.
    """

    nox_pex: str
    identity: Identity
    verdict: Verdict
    proofs: tuple[Proof, ...]
    failures: tuple[Failure, ...] = ()
    contents: BinaryContents | None = None
    problem: str = ""
    boots: tuple[Boot, ...] = ()
    image_boots: tuple[Boot, ...] = ()
    gates: tuple[Gate, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    graph_is_complete: bool = False
    left_out: tuple[LeftOut, ...] = ()
    disagreements: tuple[str, ...] = ()
    statements: tuple[SignedKind, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    difference: Difference | None = None
    baseline: str = ""
    making: Making = Making()


class Row(Struct, frozen=True, kw_only=True):
    """A binary in an index. `href` leads to its page, relative and quoted; empty if there is none.

    `is_stale` says that the page shows something else than the row, which is of now. `growth` is the change of its size
    since the build before; None if that is not known. `boot` is the seconds to ready of the warm boot, or else of the
    cold one, whose name is `condition`.
    """

    name: str
    project: str
    outcome: Outcome
    reason: str
    size: int | None = None
    growth: int | None = None
    condition: str = ""
    boot: float | None = None
    distributions: int | None = None
    version: str = ""
    href: str = ""
    is_stale: bool = False


class Index(Struct, frozen=True, kw_only=True):
    """An index of several binaries: the counts are those of their outcomes."""

    nox_pex: str
    title: str
    rows: tuple[Row, ...]
