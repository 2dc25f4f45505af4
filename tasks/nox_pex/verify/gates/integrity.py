"""The gate `integrity`: every file of a distribution in the binary is the one that Poetry installed.

A RECORD in the binary proves nothing by itself, since whoever changes a file can change its row. So each file is held
against three things: its row, the row that Poetry wrote when it had just installed the distribution (and checked the
lock's hashes), and the digests that PEX-INFO keeps of each distribution and of the project's loose files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from nox_pex.distributions.record import body_digest, encoded
from nox_pex.verify import evidence
from nox_pex.verify.archive import DEPENDENCIES, INFO, Container, Pex, PexWheel, chunks, read_text
from nox_pex.verify.evidence import ExpectedFiles
from nox_pex.verify.gates.verdict import Verdict
from nox_pex.verify.pex_distributions import (
    LAYOUT,
    Location,
    PexDistribution,
    RecordRow,
    console_scripts,
    location_in_wheel,
    parse_record,
)

_UNHASHED: Final = ("RECORD", "RECORD.jws", "RECORD.p7s")
"""Files of a `.dist-info` whose row can hold no digest (PEP 427)."""


_ALGORITHMS: Final = frozenset({"sha256", "sha384", "sha512"})
"""What a RECORD may use: "sha256 or better" (PEP 427)."""


_LAUNCHER: Final = ("__main__.py", "pex")
"""What pex writes after it has taken its digest of the loose files."""


@dataclass(kw_only=True)
class _Count:
    """What was looked at: files in all, those that were compared with Poetry's, and compiled ones that differ."""

    files: int = 0
    compared: int = 0
    built_here: list[str] = field(default_factory=list)


def judge(
    pex: Pex, distributions: Iterable[PexDistribution], installed: Mapping[str, ExpectedFiles], *, strict: bool = True
) -> Verdict:
    """Read every file of every distribution in `pex`.

    `installed` is what Poetry installed, by normalized name, or by the wheel's file name; a distribution that is not in
    it (the project's own, or one that is edited) is held against its RECORD and PEX-INFO alone. With `strict` off, a
    compiled file that was built on this machine may differ: two runs of a compiler seldom agree.
    Raises what `archive.reporting_damage` turns into `NoxPexError`.
    """
    count = _Count()
    problems = list(_of_archive(pex))
    for distribution in distributions:
        if distribution.wheel is not None:
            trusted_files = installed.get(distribution.wheel.name) or installed.get(distribution.name)
            problems += _of_distribution(pex, distribution, distribution.wheel, trusted_files, count, strict=strict)
    problems += _of_loose_files(pex)
    return Verdict(
        summary=f"{count.files} files of {len(pex.wheels)} distributions, {count.compared} of them as Poetry installed",
        problems=tuple(problems),
        details={"files": count.files, "compared": count.compared, "built-here": count.built_here},
    )


def _of_archive(pex: Pex) -> Iterator[str]:
    """What is wrong with the archive as such, or between it and PEX-INFO."""
    for name in pex.container.duplicates:
        yield f"{name} is in it twice"
    for wheel in pex.wheels:
        if not wheel.content.members:
            yield f"{DEPENDENCIES}{wheel.name} is empty"
        yield from (
            f"{wheel.name}: {name} is in it twice"
            for name in wheel.content.duplicates
            if pex.container.duplicates == ()
        )
    known, here = set(pex.info.get("distributions", {})), {wheel.name for wheel in pex.wheels}
    yield from (f"PEX-INFO has a distribution {name}, and {DEPENDENCIES} has not" for name in sorted(known - here))
    yield from (f"{DEPENDENCIES}{name} is unknown to PEX-INFO" for name in sorted(here - known))


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """One distribution while it is judged: its files, what its RECORD lists, what Poetry installed of it."""

    distribution: PexDistribution
    wheel: PexWheel
    listed: Mapping[str, RecordRow]
    installed: ExpectedFiles | None
    unhashed: frozenset[str]
    generated: frozenset[str]
    strict: bool


def _of_distribution(
    pex: Pex,
    distribution: PexDistribution,
    wheel: PexWheel,
    installed: ExpectedFiles | None,
    count: _Count,
    *,
    strict: bool,
) -> Iterator[str]:
    label, content, dist_info = f"{distribution.name} {distribution.version}", wheel.content, distribution.dist_info
    if dist_info is None:
        yield f"{label}: {wheel.name} has not exactly one .dist-info directory"
        return
    subject = _Subject(
        distribution=distribution,
        wheel=wheel,
        listed={row.path: row for row in parse_record(read_text(content, f"{dist_info}/RECORD"))},
        # another version than Poetry's would differ in every file; `closure` says so once
        installed=installed if installed and installed.version == distribution.version else None,
        unhashed=frozenset(f"{dist_info}/{name}" for name in _UNHASHED),
        generated=frozenset(console_scripts(content, dist_info)),
        strict=strict,
    )
    if not subject.listed:
        yield f"{label}: it has no RECORD"
        return
    fingerprint = hashlib.sha256("".join(sorted(filter(_is_hashed, content.members))).encode())
    for name in sorted(content.members):
        if name != LAYOUT or not wheel.installed:
            count.files += 1
            yield from (f"{label}: {problem}" for problem in _of_file(subject, name, fingerprint, count))
    for name in sorted(subject.listed.keys() - content.members.keys()):
        yield f"{label}: {name} is in its RECORD, and not in the binary"
    if subject.installed is not None:
        here = {location_in_wheel(name, name=distribution.name) for name in content.members}
        for place in sorted(subject.installed.rows.keys() - here):
            yield f"{label}: {place.path}, which Poetry installed, is missing"
    expected = pex.info.get("distributions", {}).get(wheel.name)
    if expected is not None and expected != (fingerprint.hexdigest() if wheel.installed else _file_digest(pex, wheel)):
        yield f"{label}: it has not the digest that PEX-INFO has for {wheel.name}"


def _of_file(subject: _Subject, name: str, fingerprint: _Hash, count: _Count) -> Iterator[str]:
    row = subject.listed.get(name)
    place = location_in_wheel(name, name=subject.distribution.name)
    original = subject.installed.rows.get(place) if subject.installed else None
    also = fingerprint if _is_hashed(name) else None
    digests = _digests(subject.wheel.content, name, row, original, also=also)
    if row is None:
        yield f"{name} is not in its RECORD"
    elif not row.digest:
        if name not in subject.unhashed:
            yield f"{name} has no digest in its RECORD"
    elif digests[row.algorithm] != row.digest:
        yield f"{name} is not as its RECORD says"
    if original is not None:
        count.compared += 1
        if original.digest and digests[original.algorithm] != original.digest:
            if not subject.strict and _is_built_here(subject.wheel, name):
                count.built_here.append(f"{subject.distribution.name}: {name}")
            else:
                yield f"{name} is not the file that Poetry installed"
    elif subject.installed is not None:
        yield from _of_unmatched(subject, subject.installed, name, place)


def _of_unmatched(subject: _Subject, installed: ExpectedFiles, name: str, place: Location) -> Iterator[str]:
    """A file that has no counterpart among what is compared by content: a script, a note of an installer's, or more."""
    if place.scheme == "scripts":
        if place.path not in subject.generated:
            yield from _of_script(subject.wheel.content, name, place, installed)
    elif not evidence.is_written_by_installer(place) and not _is_pex_note(name):
        yield f"{name} is not among the files that Poetry installed"


def _of_script(content: Container, name: str, place: Location, installed: ExpectedFiles) -> Iterator[str]:
    """A script that is not made from an entry point: the same as installed, but for its first line."""
    script = installed.scripts.get(place.path)
    if script is None:
        yield f"{name} is not among the files that Poetry installed"
        return
    on_disk, row = script.read(), script.row
    if row.digest and encoded(hashlib.new(row.algorithm, on_disk).digest()) != row.digest:
        yield f"{name} cannot be compared, since the installed {place.path} was changed"
        return
    with content.open(name) as stream:
        if body_digest(b"".join(chunks(stream))) != body_digest(on_disk):
            yield f"{name} is not the script that Poetry installed"


def _of_loose_files(pex: Pex) -> Iterator[str]:
    """The loose files, which no RECORD has, against pex's `code_hash`: SHA-1 over all names, then over all content."""
    expected = pex.info.get("code_hash")
    if not expected:
        return
    names = sorted(member.name for member in pex.project_members() if _is_code(member.name))
    hasher = hashlib.sha1("".join(names).encode("utf-8", "surrogateescape"), usedforsecurity=False)
    for name in names:
        with pex.container.open(name) as stream:
            for piece in chunks(stream):
                hasher.update(piece)
    if hasher.hexdigest() != expected:
        yield "the project's loose files have not the digest that PEX-INFO has for them (`code_hash`)"


def _is_code(name: str) -> bool:
    return (
        name not in (INFO, *_LAUNCHER)
        and not name.startswith("__pex__/")
        and not name.rpartition("/")[2].startswith(".")
        and _is_hashed(name)
    )


def _is_hashed(name: str) -> bool:
    """Whether pex takes a file into its digests: not what holds such a digest itself, and no bytecode."""
    return name != LAYOUT and not name.endswith((".pyc", ".pyo")) and "__pycache__" not in name.split("/")


def _is_pex_note(name: str) -> bool:
    return name.partition("/")[0].endswith(".pex-info")


def _is_built_here(wheel: PexWheel, name: str) -> bool:
    """Whether a file was compiled on this machine: an index takes no wheel with such a tag."""
    tag = wheel.name.removesuffix(".whl").rpartition("-")[2]
    return tag.startswith("linux_") and (name.endswith(".so") or ".so." in name)


class _Hash(Protocol):
    """What `hashlib` gives."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


def _digests(content: Container, name: str, *expected: RecordRow | None, also: _Hash | None) -> Mapping[str, str]:
    """The digests of a member by each algorithm that `expected` names, from one reading, which feeds `also` too."""
    algorithms = {row.algorithm for row in expected if row is not None and row.digest}
    # of any other algorithm no digest agrees
    hashes: dict[str, _Hash] = {algorithm: hashlib.new(algorithm) for algorithm in algorithms & _ALGORITHMS}
    feed = [*hashes.values(), *([also] if also is not None else [])]
    with content.open(name) as stream:
        for piece in chunks(stream):
            for hasher in feed:
                hasher.update(piece)
    return dict.fromkeys(algorithms, "") | {name: encoded(hasher.digest()) for name, hasher in hashes.items()}


def _file_digest(pex: Pex, wheel: PexWheel) -> str:
    hasher = hashlib.sha256()
    with pex.container.open(DEPENDENCIES + wheel.name) as stream:
        for piece in chunks(stream):
            hasher.update(piece)
    return hasher.hexdigest()
