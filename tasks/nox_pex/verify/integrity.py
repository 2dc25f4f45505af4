"""The gate `integrity`: every file of a distribution in the binary is the one that Poetry installed.

A RECORD in the binary proves nothing by itself, since whoever changes a file can change its row. So each file is held
against three things: its row, the row that Poetry wrote when it had just installed the distribution (and checked the
lock's hashes), and the digests that PEX-INFO keeps of each distribution and of the project's loose files.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from nox_pex.verify import trusted
from nox_pex.verify.archive import DEPENDENCIES, INFO, Container, Pex, Wheel, chunks, read_text
from nox_pex.verify.distributions import (
    LAYOUT,
    Distribution,
    Place,
    Row,
    console_scripts,
    place_in_wheel,
    rows,
)
from nox_pex.verify.trusted import Trusted
from nox_pex.verify.verdict import Verdict

_UNHASHED: Final = ("RECORD", "RECORD.jws", "RECORD.p7s")
"""Files of a `.dist-info` whose row can hold no digest (PEP 427)."""

_LAUNCHER: Final = ("__main__.py", "pex")
"""What pex writes after it has taken its digest of the loose files."""


@dataclass(kw_only=True)
class _Count:
    files: int = 0
    compared: int = 0
    built_here: list[str] = field(default_factory=list)


def judge(
    pex: Pex, distributions: Iterable[Distribution], installed: Mapping[str, Trusted], *, strict: bool = True
) -> Verdict:
    """Read every file of every distribution in `pex`.

    `installed` is what Poetry installed, by normalized name; a distribution that is not in it (the project's own, or one
    that is edited) is held against its RECORD and PEX-INFO alone. With `strict` off, a compiled file of a distribution
    that was built on this machine may differ: two runs of a compiler seldom agree.
    Raises what `archive.reading` turns into `NoxPexError`.
    """
    count = _Count()
    problems = [*_of_archive(pex)]
    for distribution in distributions:
        if distribution.wheel is not None:
            problems += _of_distribution(
                distribution, distribution.wheel, installed.get(distribution.name), pex, count, strict=strict
            )
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
            f"{wheel.name}: {name} is in it twice" for name in wheel.content.duplicates if pex.container.duplicates == ()
        )
    known, here = set(pex.info.get("distributions", {})), {wheel.name for wheel in pex.wheels}
    yield from (f"PEX-INFO has a distribution {name}, and {DEPENDENCIES} has not" for name in sorted(known - here))
    yield from (f"{DEPENDENCIES}{name} is unknown to PEX-INFO" for name in sorted(here - known))


def _of_distribution(
    distribution: Distribution, wheel: Wheel, installed: Trusted | None, pex: Pex, count: _Count, *, strict: bool
) -> Iterator[str]:
    label, content = f"{distribution.name} {distribution.version}", wheel.content
    if distribution.dist_info is None:
        yield f"{label}: {wheel.name} has not exactly one .dist-info directory"
        return
    listed = {row.path: row for row in rows(read_text(content, f"{distribution.dist_info}/RECORD"))}
    if not listed:
        yield f"{label}: it has no RECORD"
        return
    if installed is not None and installed.version != distribution.version:
        installed = None  # another version than Poetry's: `closure` says so, and each file would differ
    generated = console_scripts(content, distribution.dist_info)
    unseen = set(installed.rows) if installed else set()
    whole = hashlib.sha256("".join(_hashed_names(content)).encode())
    for name in sorted(content.members):
        if name == LAYOUT and wheel.installed:
            continue
        count.files += 1
        row, place = listed.pop(name, None), place_in_wheel(name, name=distribution.name)
        original = installed.rows.get(place) if installed else None
        unseen.discard(place)
        digests = _digests(content, name, row, original, also=whole if _is_hashed(name) else None)
        if row is None:
            yield f"{label}: {name} is not in its RECORD"
        elif not row.digest:
            if name not in {f"{distribution.dist_info}/{unhashed}" for unhashed in _UNHASHED}:
                yield f"{label}: {name} has no digest in its RECORD"
        elif digests[row.algorithm] != row.digest:
            yield f"{label}: {name} is not as its RECORD says"
        if installed is None:
            continue
        if original is not None:
            count.compared += 1
            if original.digest and digests[original.algorithm] != original.digest:
                if not strict and _is_built_here(wheel, name):
                    count.built_here.append(f"{label}: {name}")
                else:
                    yield f"{label}: {name} is not the file that Poetry installed"
        elif place.scheme == "scripts":
            if place.path not in generated:
                count.compared += 1
                yield from (f"{label}: {problem}" for problem in _of_script(content, name, place, installed))
        elif not trusted.is_installers_own(place) and not _is_pex_note(name):
            yield f"{label}: {name} is not among the files that Poetry installed"
    yield from (f"{label}: {name} is in its RECORD, and not in the binary" for name in sorted(listed))
    yield from (f"{label}: {place.path}, which Poetry installed, is missing" for place in sorted(unseen))
    expected = pex.info.get("distributions", {}).get(wheel.name)
    if expected is not None and (whole.hexdigest() if wheel.installed else _file_digest(pex, wheel)) != expected:
        yield f"{label}: it has not the digest that PEX-INFO has for {wheel.name}"


def _of_script(content: Container, name: str, place: Place, installed: Trusted) -> Iterator[str]:
    """A script that is not made from an entry point: the same as installed, but for its first line."""
    row = installed.scripts.get(place.path)
    if row is None:
        yield f"{name} is not among the files that Poetry installed"
        return
    on_disk = (installed.site_packages / row.path).read_bytes()
    if row.digest and _encoded(hashlib.new(row.algorithm, on_disk).digest()) != row.digest:
        yield f"{name} cannot be compared, since the installed {place.path} was changed"
        return
    with content.open(name) as stream:
        if trusted.body_digest(b"".join(chunks(stream))) != trusted.body_digest(on_disk):
            yield f"{name} is not the script that Poetry installed"


def _of_loose_files(pex: Pex) -> Iterator[str]:
    """The loose files against pex's `code_hash`: no RECORD has them. (`pex_builder.py`: SHA-1 over names, then content.)"""
    expected = pex.info.get("code_hash")
    if not expected:
        return
    names = sorted(member.name for member in pex.own() if _is_code(member.name))
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
    """Whether pex takes a file into its digests: not where it is bytecode."""
    return not name.endswith((".pyc", ".pyo")) and "__pycache__" not in name.split("/")


def _hashed_names(content: Container) -> list[str]:
    return sorted(name for name in content.members if name != LAYOUT and _is_hashed(name))


def _is_pex_note(name: str) -> bool:
    return name.partition("/")[0].endswith(".pex-info")


def _is_built_here(wheel: Wheel, name: str) -> bool:
    """Whether a compiled file comes from a wheel that was built on this machine: an index takes none with such a tag."""
    tag = wheel.name.removesuffix(".whl").rpartition("-")[2]
    return tag.startswith("linux_") and (name.endswith(".so") or ".so." in name)


class _Hash:
    def __init__(self, algorithm: str) -> None:
        self._hash = hashlib.new(algorithm)
        self.update = self._hash.update

    def encoded(self) -> str:
        return _encoded(self._hash.digest())


def _digests(
    content: Container, name: str, *expected: Row | None, also: hashlib._Hash | None
) -> Mapping[str, str]:
    """The digests of a member by each algorithm that `expected` rows name, from one reading, which feeds `also` too."""
    hashes: dict[str, _Hash] = {}
    for row in expected:
        if row is not None and row.algorithm and row.algorithm not in hashes:
            with contextlib.suppress(ValueError):  # an algorithm that Python does not know: no digest agrees
                hashes[row.algorithm] = _Hash(row.algorithm)
    with content.open(name) as stream:
        for piece in chunks(stream):
            for hasher in hashes.values():
                hasher.update(piece)
            if also is not None:
                also.update(piece)
    digests = {algorithm: hasher.encoded() for algorithm, hasher in hashes.items()}
    return {row.algorithm: "" for row in expected if row is not None} | digests


def _encoded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _file_digest(pex: Pex, wheel: Wheel) -> str:
    hasher = hashlib.sha256()
    with pex.container.open(DEPENDENCIES + wheel.name) as stream:
        for piece in chunks(stream):
            hasher.update(piece)
    return hasher.hexdigest()
