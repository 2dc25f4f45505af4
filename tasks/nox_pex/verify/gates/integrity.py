"""The gate `integrity`: every file of a distribution in the binary is the file that Poetry installed.

A RECORD in the binary proves nothing by itself, because whoever changes a file can change its row too. So each file is
compared with three things: its row in that RECORD; the row that Poetry wrote when it installed the distribution, after
it had checked the lock's hashes; and the digests in PEX-INFO of each distribution and of the project's loose files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol

from msgspec import Struct

from nox_pex.distributions.entry_points import generated_scripts
from nox_pex.distributions.record import body_digest, encode_digest
from nox_pex.system.wording import counted
from nox_pex.verify import expected_files
from nox_pex.verify.archive import DEPENDENCIES, INFO, Pex, PexWheel
from nox_pex.verify.container import Container, DamageError, chunks, read_text
from nox_pex.verify.expected_files import ExpectedFiles
from nox_pex.verify.gates.verdict import Verdict
from nox_pex.verify.pex_distributions import (
    LAYOUT,
    Location,
    PexDistribution,
    RecordRow,
    location_in_wheel,
    parse_record,
)

_UNHASHED: Final = ("RECORD", "RECORD.jws", "RECORD.p7s")
"""Files of a `.dist-info` whose row cannot have a digest (PEP 427)."""


_ALGORITHMS: Final = frozenset({"sha256", "sha384", "sha512"})
"""The algorithms that a RECORD may use: "sha256 or better" (PEP 427)."""


_LAUNCHER: Final = ("__main__.py", "pex")
"""Files that pex writes after it has computed the digest of the loose files."""


class _Counts(Struct, kw_only=True):
    """The number of files that were read, of those that were compared with Poetry's, and compiled files that differ."""

    files: int = 0
    compared: int = 0
    built_here: list[str] = []


class _Comparison(Struct, frozen=True, kw_only=True):
    """One distribution in the binary, with everything that its files are compared with.

    `listed` are the rows of its RECORD by path. `expected` are the files that Poetry installed, or None if these are
    not known. `unhashed` are paths whose row needs no digest, `generated` the names of scripts that installers generate
    from entry points.
    """

    distribution: PexDistribution
    wheel: PexWheel
    listed: Mapping[str, RecordRow]
    expected: ExpectedFiles | None
    unhashed: frozenset[str]
    generated: frozenset[str]
    strict: bool


class _Hash(Protocol):
    """A hash object of `hashlib`."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...


def judge(
    pex: Pex, distributions: Iterable[PexDistribution], expected: Mapping[str, ExpectedFiles], *, strict: bool = True
) -> Verdict:
    """Read and compare every file of every distribution in `pex`.

    `expected` are the files that Poetry installed, by a wheel's file name or by a distribution's normalized name. A
    distribution without an entry (the project itself, or an editable one) is compared with its RECORD and PEX-INFO
    only. Unless `strict`, a compiled file that was built on this machine may differ: two runs of a compiler seldom give
    the same bytes.
    Raises `DamageError`.
    """
    counts = _Counts()
    problems = list(_check_archive(pex))
    for distribution in distributions:
        if distribution.wheel is not None:
            files = expected.get(distribution.wheel.name) or expected.get(distribution.name)
            problems += _check_distribution(pex, distribution, distribution.wheel, files, counts, strict=strict)
    problems += _check_loose_files(pex)
    inspected = f"{counts.files} files of {counted(pex.wheels, 'distribution')}"
    summary = f"{inspected}, {counts.compared} of them as Poetry installed"
    return Verdict(
        summary=summary,
        problems=tuple(problems),
        details={"files": counts.files, "compared": counts.compared, "built-here": counts.built_here},
    )


def _check_archive(pex: Pex) -> Iterator[str]:
    """Yield the problems of the archive as a whole, and the contradictions between it and PEX-INFO."""
    for name in pex.container.duplicates:
        yield f"{name} is in the archive more than once"
    for wheel in pex.wheels:
        if not wheel.content.members:
            yield f"{DEPENDENCIES}{wheel.name} is empty"
        if not pex.container.duplicates:  # otherwise a directory's duplicates would be reported again
            yield from (f"{wheel.name}: {name} is in the wheel more than once" for name in wheel.content.duplicates)
    listed, present = set(pex.info.distributions), {wheel.name for wheel in pex.wheels}
    yield from (f"PEX-INFO lists {name}, which is not in {DEPENDENCIES}" for name in sorted(listed - present))
    yield from (f"PEX-INFO does not list {DEPENDENCIES}{name}" for name in sorted(present - listed))


def _check_distribution(
    pex: Pex,
    distribution: PexDistribution,
    wheel: PexWheel,
    expected: ExpectedFiles | None,
    counts: _Counts,
    *,
    strict: bool,
) -> Iterator[str]:
    label, dist_info = f"{distribution.name} {distribution.version}", distribution.dist_info
    if dist_info is None:
        yield f"{label}: {wheel.name} does not have exactly one .dist-info directory"
        return
    try:
        rows = list(parse_record(read_text(wheel.content, f"{dist_info}/RECORD")))
    except DamageError as error:
        yield f"{label}: {error}"
        return
    listed = {row.path: row for row in rows}
    if len(listed) != len(rows):
        yield f"{label}: its RECORD lists a file more than once"
    comparison = _Comparison(
        distribution=distribution,
        wheel=wheel,
        listed=listed,
        # Every file of another version would differ from Poetry's. The gate `closure` reports that version once.
        expected=expected if expected and expected.version == distribution.version else None,
        unhashed=frozenset(f"{dist_info}/{name}" for name in _UNHASHED),
        generated=frozenset(generated_scripts(read_text(wheel.content, f"{dist_info}/entry_points.txt"))),
        strict=strict,
    )
    if not comparison.listed:
        yield f"{label}: it has no RECORD"
        return
    yield from (f"{label}: {problem}" for problem in _check_wheel(pex, comparison, counts))


def _check_wheel(pex: Pex, comparison: _Comparison, counts: _Counts) -> Iterator[str]:
    """Yield the problems of all files in a wheel, of missing ones, and of its digest in PEX-INFO."""
    wheel = comparison.wheel
    members = wheel.content.members
    # pex's digest of an installed wheel: SHA-256 over all names, then over all content
    wheel_hash = hashlib.sha256("".join(sorted(filter(_is_hashed, members))).encode())
    for name in sorted(members):
        if name != LAYOUT or not wheel.installed:
            counts.files += 1
            yield from _check_file(comparison, name, wheel_hash, counts)
    yield from _find_missing(comparison)
    listed_digest = pex.info.distributions.get(wheel.name)
    if not wheel.installed and DEPENDENCIES + wheel.name not in pex.container.members:
        yield f"{wheel.name} is a directory, and PEX-INFO says that it is a wheel"
    elif listed_digest is not None:
        digest = wheel_hash.hexdigest() if wheel.installed else _file_digest(pex, wheel)
        if digest != listed_digest:
            yield f"{wheel.name} does not match its digest in PEX-INFO"


def _find_missing(comparison: _Comparison) -> Iterator[str]:
    """Yield the files that the RECORD lists, or that Poetry installed, and that are not in the binary."""
    members = comparison.wheel.content.members
    for name in sorted(comparison.listed.keys() - members.keys()):
        yield f"{name} is in its RECORD, but not in the binary"
    if comparison.expected is not None:
        present = {location_in_wheel(name, name=comparison.distribution.name) for name in members}
        for location in sorted(comparison.expected.rows.keys() - present):
            if expected_files.is_bytecode(location.path):
                continue
            yield f"{location.path}, which Poetry installed, is missing"


def _check_file(comparison: _Comparison, name: str, wheel_hash: _Hash, counts: _Counts) -> Iterator[str]:
    row = comparison.listed.get(name)
    location = location_in_wheel(name, name=comparison.distribution.name)
    original = comparison.expected.rows.get(location) if comparison.expected else None
    also = wheel_hash if _is_hashed(name) else None
    digests = _digests(comparison.wheel.content, name, row, original, also=also)
    if row is None:
        yield f"{name} is not in its RECORD"
    elif not row.digest:
        if name not in comparison.unhashed:
            yield f"{name} has no digest in its RECORD"
    elif digests[row.algorithm] != row.digest:
        yield f"{name} does not match its RECORD"
    if original is not None:
        counts.compared += 1
        if original.digest and digests[original.algorithm] != original.digest:
            if not comparison.strict and _is_built_here(comparison.wheel, name):
                counts.built_here.append(f"{comparison.distribution.name}: {name}")
            else:
                yield f"{name} is not the file that Poetry installed"
    elif comparison.expected is not None:
        yield from _check_unmatched(comparison, comparison.expected, name, location)


def _check_unmatched(comparison: _Comparison, expected: ExpectedFiles, name: str, location: Location) -> Iterator[str]:
    """Check a file that Poetry did not install like this: a script, an installer's file, or an unexpected one."""
    if location.scheme == "scripts":
        if location.path not in comparison.generated:
            yield from _check_script(comparison.wheel.content, name, location, expected)
    elif not expected_files.is_written_by_installer(location) and not _is_pex_metadata(name):
        yield f"{name} is not among the files that Poetry installed"


def _check_script(content: Container, name: str, location: Location, expected: ExpectedFiles) -> Iterator[str]:
    """Check a script that no entry point generates: it equals the installed one except for the first line."""
    script = expected.scripts.get(location.path)
    if script is None:
        yield f"{name} is not among the files that Poetry installed"
        return
    on_disk, row = script.read(), script.row
    if row.digest and encode_digest(hashlib.new(row.algorithm, on_disk).digest()) != row.digest:
        yield f"{name} cannot be compared, because the installed {location.path} was changed"
        return
    with content.open(name) as stream:
        if body_digest(b"".join(chunks(stream))) != body_digest(on_disk):
            yield f"{name} is not the script that Poetry installed"


def _check_loose_files(pex: Pex) -> Iterator[str]:
    """Compare the loose files, which no RECORD lists, with pex's `code_hash` of them."""
    expected = pex.info.code_hash
    if not expected:
        return
    names = sorted(member.name for member in pex.project_members() if _is_code(member.name))
    # SHA-1 over all names, then over all content
    hasher = hashlib.sha1("".join(names).encode("utf-8", "surrogateescape"), usedforsecurity=False)
    for name in names:
        with pex.container.open(name) as stream:
            for piece in chunks(stream):
                hasher.update(piece)
    if hasher.hexdigest() != expected:
        yield "the project's loose files do not match their digest in PEX-INFO (`code_hash`)"


def _is_code(name: str) -> bool:
    return (
        name not in (INFO, *_LAUNCHER)
        and not name.startswith("__pex__/")
        and not name.rpartition("/")[2].startswith(".")
        and _is_hashed(name)
    )


def _is_hashed(name: str) -> bool:
    """Whether pex includes a file in its digests: no bytecode, and not the file that holds such a digest."""
    return name != LAYOUT and not name.endswith((".pyc", ".pyo")) and "__pycache__" not in name.split("/")


def _is_pex_metadata(name: str) -> bool:
    return name.partition("/")[0].endswith(".pex-info")


def _is_built_here(wheel: PexWheel, name: str) -> bool:
    """Whether a file was compiled on this machine: an index accepts no wheel with the tag `linux_…`."""
    tag = wheel.name.removesuffix(".whl").rpartition("-")[2]
    return tag.startswith("linux_") and (name.endswith(".so") or ".so." in name)


def built_here(pex: Pex) -> tuple[str, ...]:
    """Return the entries of `.deps` with a file that was compiled on this machine."""
    return tuple(
        wheel.name for wheel in pex.wheels if any(_is_built_here(wheel, name) for name in wheel.content.members)
    )


def _digests(content: Container, name: str, *expected: RecordRow | None, also: _Hash | None) -> Mapping[str, str]:
    """Return a member's digest by each algorithm that `expected` names, and update the hash `also`, in one reading.

    The digest by an algorithm that no RECORD may use is empty, so that it equals no other.
    """
    algorithms = {row.algorithm for row in expected if row is not None and row.digest}
    hashes: dict[str, _Hash] = {algorithm: hashlib.new(algorithm) for algorithm in algorithms & _ALGORITHMS}
    all_hashes = [*hashes.values(), *([also] if also is not None else [])]
    with content.open(name) as stream:
        for piece in chunks(stream):
            for hasher in all_hashes:
                hasher.update(piece)
    return dict.fromkeys(algorithms, "") | {name: encode_digest(hasher.digest()) for name, hasher in hashes.items()}


def _file_digest(pex: Pex, wheel: PexWheel) -> str:
    hasher = hashlib.sha256()
    with pex.container.open(DEPENDENCIES + wheel.name) as stream:
        for piece in chunks(stream):
            hasher.update(piece)
    return hasher.hexdigest()
