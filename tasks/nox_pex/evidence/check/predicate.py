"""The facts in a predicate that a check needs. Its form may be anything: what is not there is None.

Fact sources: SLSA "Provenance" v1 and "Verification summary" v1; in-toto "Test result" v0.1; CycloneDX 1.6, "Metadata";
docs/evidence.md for the annotations; RFC 3339 for times.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from msgspec import Raw, Struct
from msgspec.json import Decoder

from nox_pex.evidence.check import repository
from nox_pex.evidence.check.repository import Repository
from nox_pex.evidence.kinds import Kind
from nox_pex.system.lazy import pattern

_TIME: Final = pattern(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt](?P<time>[0-9]{2}:[0-9]{2}):(?P<second>[0-9]{2})"
    r"(?P<fraction>\.[0-9]+)?(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


_LEAP_SECOND: Final = "60"


_TIMES: Final[dict[Kind, tuple[tuple[str, ...], ...]]] = {
    "provenance": (("runDetails", "metadata", "finishedOn"), ("runDetails", "metadata", "startedOn")),
    "smoke": (("configuration", "*", "annotations", "finishedOn"),),
    "verify": (("timeVerified",),),
    "sbom": (("metadata", "timestamp"),),
}
"""The places of the time of each kind: the first place that has a value counts. `*` stands for each entry."""


_RESULTS: Final[dict[Kind, str]] = {"smoke": "result", "verify": "verificationResult"}
"""The names of the results of the kinds that have one."""


_OBJECT: Final = Decoder(dict[str, Raw])


_LIST: Final = Decoder(list[Raw])


_TEXT: Final = Decoder(str)


class Source(Struct, frozen=True, kw_only=True):
    """The sources of a build: the repository, its commit in lower case, and whether there were no local changes.

    `commits` has one commit if it is certain, none if there is none, and several if a dependency is of the same
    repository: then nobody can tell which one was built.
    """

    repository: Repository | None
    commits: frozenset[str]
    clean: bool


class _Dependency(Struct, frozen=True, kw_only=True):
    """The commit of a resolved dependency, and the repositories that its address may be of."""

    commit: str
    has_address: bool
    repositories: frozenset[Repository]


def result(kind: Kind, predicate: Raw) -> str | None:
    """Return the result in a predicate: `PASSED`, or any other text; None if it is not a text."""
    return _text(next(_at(predicate, (_RESULTS[kind],)), None))


def has_result(kind: Kind) -> bool:
    """Whether statements of this kind have a result."""
    return kind in _RESULTS


def time(kind: Kind, predicate: Raw) -> dt.datetime | None:
    """Return the latest time in a predicate at which its subject was built or tested, with its time zone."""
    for place in _TIMES[kind]:
        if values := list(_at(predicate, place)):
            times = [parsed for value in values if (parsed := parse_time(_text(value) or "")) is not None]
            return max(times, default=None)
    return None


def parse_time(text: str) -> dt.datetime | None:
    """Return the time that `text` is in RFC 3339, otherwise None. A leap second is the second before it."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    second = "59" if match["second"] == _LEAP_SECOND else match["second"]
    fraction = (match["fraction"] or ".0")[:7]
    zone = match["zone"].upper().replace("Z", "+00:00")
    try:
        found = dt.datetime.fromisoformat(f"{match['date']}T{match['time']}:{second}{fraction:0<7}{zone}")
        return found.astimezone(dt.UTC)
    except ValueError:  # 31 February
        return None
    except OverflowError:  # the first or the last year, in another zone
        return dt.datetime.max.replace(tzinfo=dt.UTC) if match["date"].startswith("9") else None


def source(predicate: Raw) -> Source:
    """Return the sources that a provenance names."""
    dirty = next(_at(predicate, ("buildDefinition", "internalParameters", "dirty")), Raw())
    address = _text(next(_at(predicate, ("buildDefinition", "externalParameters", "repository")), None))
    found = None if address is None else repository.parse(address)
    dependencies = tuple(_dependencies(predicate))
    if found is not None:
        commits = {each.commit for each in dependencies if found in each.repositories}
    else:  # nox-pex names no address of the sources then, but that of every other dependency
        commits = {each.commit for each in dependencies if not each.has_address}
        commits = commits or {each.commit for each in dependencies if each.repositories}
    return Source(repository=found, commits=frozenset(commits), clean=bytes(dirty) == b"false")


def _dependencies(predicate: Raw) -> Iterator[_Dependency]:
    """Yield the resolved dependencies of a provenance that have a commit."""
    for dependency in _at(predicate, ("buildDefinition", "resolvedDependencies", "*")):
        commit = _text(next(_at(dependency, ("digest", "gitCommit")), None))
        uri = next(_at(dependency, ("uri",)), None)
        if commit is not None:
            repositories = repository.of_dependency(_text(uri) or "")
            yield _Dependency(commit=commit.lower(), has_address=uri is not None, repositories=repositories)


def _at(value: Raw, place: tuple[str, ...]) -> Iterator[Raw]:
    """Yield the values at a place in a JSON value that are not null: one at most, except with `*` in the place."""
    if not place:
        if bytes(value) != b"null":  # protobuf reads it as a missing field
            yield value
        return
    name, *others = place
    try:
        inner = _LIST.decode(value) if name == "*" else [_OBJECT.decode(value)[name]]
    except (KeyError, ValueError, RecursionError):
        return
    for each in inner:
        yield from _at(each, tuple(others))


def _text(value: Raw | None) -> str | None:
    try:
        return None if value is None else _TEXT.decode(value)
    except (ValueError, RecursionError):
        return None
