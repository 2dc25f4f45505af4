"""The verdict about a file: which statements about it count, and whether they prove what is required. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct

from nox_pex.evidence import statement_reader
from nox_pex.evidence.check import bundle, predicate
from nox_pex.evidence.check.bundle import IgnoredLine, RefusedError, SignedLine
from nox_pex.evidence.check.policy import CLOCK_ERROR, Policy
from nox_pex.evidence.check.predicate import Source
from nox_pex.evidence.kinds import PREDICATE_TYPES, Kind
from nox_pex.system import strict_json

_KINDS: Final = {predicate_type: kind for kind, predicate_type in PREDICATE_TYPES.items()}


_PASSED: Final = "PASSED"


_WARNED: Final = "WARNED"


_REPEATED: Final = "has a key twice"


class Counted(Struct, frozen=True, kw_only=True):
    """A statement about the file that a given key has signed.

    `keyid` is that of the key. `result` is there for `smoke` and `verify`, `source` for `provenance`.
    """

    line: int
    kind: Kind
    keyid: str
    result: str | None = None
    time: dt.datetime | None = None
    source: Source | None = None


class Verdict(Struct, frozen=True, kw_only=True):
    """The statements that count, the other lines, and what is not proven: nothing, if the file passed.

    `code` is the error code of the problems: `registry` or `registry-auth` if the registry of an image gave nothing to
    check.
    """

    statements: tuple[Counted, ...] = ()
    ignored: tuple[IgnoredLine, ...] = ()
    problems: tuple[str, ...] = ()
    code: Literal["not-proven", "signature", "registry", "registry-auth"] = "not-proven"

    @property
    def passed(self) -> bool:
        """Whether everything that is required is proven."""
        return not self.problems


def check(data: bytes, *, sha256: str, policy: Policy, now: dt.datetime) -> Verdict:
    """Return the verdict about the file with this SHA-256, in hexadecimal, from the `data` of a bundle.

    `now` has a time zone. Never raises an exception because of `data`.
    """
    try:
        lines = bundle.split(data)
    except RefusedError as error:
        return refused(f"the bundle is refused: {error}")
    return check_lines(lines, sha256=sha256, policy=policy, now=now)


def check_lines(
    entries: Iterable[tuple[int, bytes | IgnoredLine]], *, sha256: str, policy: Policy, now: dt.datetime
) -> Verdict:
    """Return the verdict about the file or image with this SHA-256, from numbered envelopes or Sigstore bundles.

    An entry that is ignored already proves nothing. The sizes of the others are checked. `now` has a time zone. Never
    raises an exception because of `entries`.
    """
    try:
        lines = [
            each if isinstance(each, IgnoredLine) else _judge(number, each, sha256, policy) for number, each in entries
        ]
    except RefusedError as error:
        what = "the bundle is" if policy.subject == "file" else "the statements are"
        return refused(f"{what} refused: {error}")
    statements = tuple(line for line in lines if isinstance(line, Counted))
    ignored = tuple(line for line in lines if isinstance(line, IgnoredLine))
    missing = [kind for kind in policy.required if kind not in {each.kind for each in statements}]
    problems = [
        *_missing(missing, statements, ignored, policy),
        *_not_passed(statements, policy),
        *_other_source(statements, policy),
        *(_too_old(statements, policy, policy.max_age, now) if policy.max_age is not None else ()),
    ]
    unsigned = any(line.unsigned for line in ignored) and not _of_another_file(ignored).issuperset(missing)
    code: Literal["not-proven", "signature"] = "signature" if missing and unsigned else "not-proven"
    return Verdict(statements=statements, ignored=ignored, problems=tuple(problems), code=code)


def refused(problem: str) -> Verdict:
    """Return the verdict if no line of a bundle is used, because of `problem`."""
    return Verdict(problems=(problem,))


def _judge(number: int, text: bytes, sha256: str, policy: Policy) -> Counted | IgnoredLine:
    line = bundle.read_line(number, text, policy.keys)
    if isinstance(line, IgnoredLine):
        return line
    found = _statement(line, sha256, policy)
    problem = _ambiguity(line) if isinstance(found, Counted) or _could_count(line, sha256) else ""
    if problem and (isinstance(found, Counted) or problem == _REPEATED):
        msg = f"{policy.entry} {number} {problem}"
        raise RefusedError(msg)
    return found


def _statement(line: SignedLine, sha256: str, policy: Policy) -> Counted | IgnoredLine:
    try:
        found = statement_reader.read(line.payload)
    except ValueError as error:
        return IgnoredLine(number=line.number, reason=f"it is {error}")
    kind = _KINDS.get(found.predicate_type)
    if sha256 not in found.sha256s:
        return IgnoredLine(number=line.number, reason=f"it is about another {policy.subject}", kind=kind)
    if kind is None:
        return IgnoredLine(number=line.number, reason=f"it is of another kind: {found.predicate_type}")
    return Counted(
        line=line.number,
        kind=kind,
        keyid=line.key.keyid,
        result=predicate.result(kind, found.predicate) if predicate.has_result(kind) else None,
        time=predicate.time(kind, found.predicate),
        source=predicate.source(found.predicate) if kind == "provenance" else None,
    )


def _could_count(line: SignedLine, sha256: str) -> bool:
    """Whether a reader that takes the first of two equal keys could find a statement of a known kind about the file."""
    payload = line.payload.lower()
    return sha256.encode() in payload and any(name.lower().encode() in payload for name in _KINDS)


def _ambiguity(line: SignedLine) -> str:
    """Return the reason why two readers could understand a line differently; empty if none could."""
    try:
        for text in (line.payload, line.text):
            strict_json.check(text)
    except strict_json.RepeatedKeyError:
        return _REPEATED
    except ValueError:
        return "is not JSON for every reader"
    return ""


def _missing(
    missing: Sequence[Kind], statements: Sequence[Counted], ignored: Sequence[IgnoredLine], policy: Policy
) -> Iterator[str]:
    """Yield a problem for each required kind without a statement, or one if the reason is the same for all."""
    subject = policy.subject
    unsigned, of_another = any(line.unsigned for line in ignored), _of_another_file(ignored)
    if missing and not statements and of_another.issuperset(missing):
        yield f"the signed statements are about another {subject}: this one is of another build, or was changed"
        return
    if missing and not statements and not unsigned:
        yield f"no {policy.entry} is a statement about this {subject}"
        return
    for kind in missing:
        if kind in of_another:
            yield f"the signed statement of the kind {kind} is about another {subject}"
        elif unsigned:
            yield f"no given key has signed a statement of the kind {kind} about this {subject}"
        else:
            yield f"there is no statement of the kind {kind} about this {subject}"


def _of_another_file(ignored: Sequence[IgnoredLine]) -> frozenset[Kind]:
    """Return the kinds of statements about another file that a given key has signed."""
    return frozenset(line.kind for line in ignored if line.kind is not None)


def _not_passed(statements: Sequence[Counted], policy: Policy) -> Iterator[str]:
    for each in statements:
        warned = policy.allow_warned and each.kind == "smoke" and each.result == _WARNED
        if predicate.has_result(each.kind) and each.result != _PASSED and not warned:
            allow = " (--allow-warned accepts it)" if each.kind == "smoke" and each.result == _WARNED else ""
            shown = "without a result" if each.result is None else f"not {_PASSED}: it is {each.result}"
            yield f"{each.kind} is {shown} ({policy.entry} {each.line}){allow}"


def _other_source(statements: Sequence[Counted], policy: Policy) -> Iterator[str]:
    """Yield why each provenance is of other sources; nothing if one is of the right ones."""
    if policy.source is None and policy.commit is None:
        return
    found = [(each.line, _difference(each.source, policy)) for each in statements if each.source is not None]
    if all(difference for _, difference in found):
        yield from (f"provenance {difference} ({policy.entry} {line})" for line, difference in found)


def _difference(source: Source, policy: Policy) -> str:
    if not source.clean:
        return "does not say that the tree had no local changes (`dirty`: false)"
    if policy.source is not None and source.repository != policy.source:
        shown = "no repository" if source.repository is None else f"{source.repository.host}/{source.repository.path}"
        return f"names {shown}, not {policy.source.host}/{policy.source.path}"
    if policy.commit is None:
        return ""
    if len(source.commits) > 1:
        return "names several commits of its repository, so it is not certain which one was built"
    if not any(commit.startswith(policy.commit) for commit in source.commits):
        return f"names {', '.join(source.commits) or 'no commit'}, not the commit {policy.commit}"
    return ""


def _too_old(statements: Sequence[Counted], policy: Policy, max_age: dt.timedelta, now: dt.datetime) -> Iterator[str]:
    """Yield a problem for each statement from the future, and for each required one without a time or too old.

    The age of an SBOM does not matter: its time is that of the sources.
    """
    times: dict[Kind, list[dt.datetime]] = {}
    for each in statements:
        if each.time is None:
            if each.kind in policy.required:
                yield f"{each.kind} has no time ({policy.entry} {each.line})"
        elif each.time - now > CLOCK_ERROR:
            yield f"{each.kind} is from the future ({policy.entry} {each.line})"
        else:
            times.setdefault(each.kind, []).append(each.time)
    for kind, known in times.items():
        if kind in policy.required and kind != "sbom" and now - max(known) > max_age:
            yield f"{kind} is older than --max-age"
