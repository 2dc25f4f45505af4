"""Pure verdicts on what a program answered, printed or became. Each names the check, what it expected and what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import jsonpath
    import jsonschema
    import referencing
    import referencing.exceptions
else:  # slow (80 and 130 ms), and only needed for `json-path` and `json-schema`
    jsonpath, jsonschema, referencing = lazy("jsonpath"), lazy("jsonschema"), lazy("referencing")


import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final

import msgspec

from nox_pex.settings.smoke import CommandCheck, HttpCheck, Status, as_tuple, signal_number, size, statuses
from nox_pex.smoke.checks.http_client import Answer
from nox_pex.smoke.process.program import describe_status

_SHOWN: Final = 160
"""Characters of a text that are shown of what came, or of what was expected."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One check's result. `expected` and `came` are short texts for a person; `seconds` is how long it took."""

    check: str
    passed: bool
    expected: str
    came: str
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.check}: expected {self.expected}, got {self.came}"


@dataclass(frozen=True, kw_only=True)
class Printed:
    """What a command became: its exit status (-N after signal N; None when it had to be killed) and its output."""

    status: int | None
    stdout: str
    stderr: str
    seconds: float


class _NotTextError(Exception):
    """The body is not text in the charset that it claims."""


def answered(check: HttpCheck, answer: Answer, *, schema: Mapping[str, Any] | None = None) -> CheckResult:
    """Whether the answer is all that the check demands: the first demand that it does not meet, or that it meets all.

    `schema` is the parsed JSON Schema that the check names.
    """
    name = f"{check.method} {check.path}"
    for expected, came in _unmet(check, answer, schema):
        return CheckResult(check=name, passed=False, expected=expected, came=came, seconds=answer.seconds)
    return CheckResult(
        check=name,
        passed=True,
        expected=f"status {describe_statuses(check.status)}",
        came=str(answer.status),
        seconds=answer.seconds,
    )


def ran(check: CommandCheck, printed: Printed, *, name: str) -> CheckResult:
    """Whether a command became and printed what the check demands."""
    title = " ".join((name, *check.args))
    for expected, came in _unmet_by_command(check, printed):
        return CheckResult(check=title, passed=False, expected=expected, came=came, seconds=printed.seconds)
    expected = f"exit status {check.exit_code}"
    return CheckResult(check=title, passed=True, expected=expected, came=expected, seconds=printed.seconds)


def status_matches(status: Status, came: int | None) -> bool:
    """Whether an HTTP status is one of those expected."""
    return came is not None and any(came in each for each in statuses(status))


def describe_statuses(status: Status) -> str:
    """The expected statuses for a person: `200`, `2xx or 301`."""
    return " or ".join(str(each) for each in (status if isinstance(status, tuple) else (status,)))


def exit_allowed(status: int, codes: tuple[int | str, ...]) -> bool:
    """Whether an exit status (-N after signal N) is among `stop-exit-codes`, where a name stands for -N and 128+N."""
    allowed: set[int] = set()
    for code in codes:
        number = signal_number(code) if isinstance(code, str) else None
        allowed |= {int(code)} if number is None else {-number, 128 + number}
    return status in allowed


def differences(expected: Any, came: Any, path: str = "$") -> Iterator[tuple[str, str, str]]:
    """Where two JSON values differ: the JSONPath, what was expected there, what came."""
    if isinstance(expected, dict) and isinstance(came, dict):
        for key in expected | came:
            at = f"{path}.{key}" if key.isidentifier() else f"{path}[{json.dumps(key)}]"
            if key not in came:
                yield at, shown(expected[key]), "nothing"
            elif key not in expected:
                yield at, "nothing", shown(came[key])
            else:
                yield from differences(expected[key], came[key], at)
    elif isinstance(expected, list) and isinstance(came, list):
        for index, (left, right) in enumerate(zip(expected, came, strict=False)):
            yield from differences(left, right, f"{path}[{index}]")
        if len(expected) != len(came):
            yield path, f"{len(expected)} items", f"{len(came)} items"
    elif not _same(expected, came):
        yield path, shown(expected), shown(came)


def shown(value: Any) -> str:
    """A value as JSON, cut to what fits a line."""
    return clipped(json.dumps(value, ensure_ascii=False, default=str))


def clipped(text: str) -> str:
    """A text on one line, cut."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def _ending(text: str) -> str:
    """A text as JSON on one line, cut at its beginning: a traceback says at its end what went wrong."""
    line = " ".join(text.split())
    return json.dumps(line if len(line) <= _SHOWN else f"…{line[-_SHOWN:]}", ensure_ascii=False)


def _same(expected: Any, came: Any) -> bool:
    # To Python True is 1; to JSON it is not. 1 and 1.0 are the same number in both.
    return isinstance(expected, bool) is isinstance(came, bool) and bool(expected == came)


def _unmet(check: HttpCheck, answer: Answer, schema: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if not status_matches(check.status, answer.status):
        came = f"status {answer.status}" if answer.status is not None else answer.problem or "nothing"
        yield f"status {describe_statuses(check.status)}", came
    if answer.problem is not None:
        yield "a complete answer", answer.problem
    if check.max_seconds is not None and answer.seconds > check.max_seconds:
        yield f"an answer within {check.max_seconds:g} s", f"{answer.seconds:.2f} s"
    if check.max_size is not None and len(answer.body) > size(check.max_size):
        yield f"at most {check.max_size}", f"{len(answer.body)} bytes"
    for name, value in check.headers.items():
        given = answer.headers.get(name.lower())
        if given != value:
            yield f"header {name}: {value}", "none" if given is None else clipped(given)
    try:
        yield from _unmet_by_text(check, answer)
        yield from _unmet_by_json(check, answer, schema)
    except _NotTextError as error:
        yield "text", str(error)


def _unmet_by_text(check: HttpCheck, answer: Answer) -> Iterator[tuple[str, str]]:
    if not (check.contains or check.not_contains or check.matches):
        return
    text = _text(answer)
    for wanted in as_tuple(check.contains):
        if wanted not in text:
            yield f"text with {shown(wanted)}", shown(clipped(text))
    for unwanted in as_tuple(check.not_contains):
        if unwanted in text:
            start = max(0, text.index(unwanted) - _SHOWN // 4)
            yield f"text without {shown(unwanted)}", shown(clipped(text[start:]))
    for pattern in as_tuple(check.matches):
        if not re.search(pattern, text):
            yield f"text that matches {pattern!r}", shown(clipped(text))


def _unmet_by_json(check: HttpCheck, answer: Answer, schema: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    if check.json is msgspec.UNSET and not check.json_path and schema is None:
        return
    text = _text(answer)
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        yield "JSON", f"{shown(clipped(text))} ({error})"
        return
    if check.json is not msgspec.UNSET:
        found = list(differences(check.json, value))
        if found:
            more = f" (and {len(found) - 1} more differences)" if len(found) > 1 else ""
            path, expected, came = found[0]
            yield f"{path} = {expected}", f"{came}{more}"
    if check.json_path:
        yield from _unmet_by_paths(check.json_path, value)
    if schema is not None:
        yield from _unmet_by_schema(check.json_schema or "", schema, value)


def _unmet_by_paths(paths: Mapping[str, Any], value: Any) -> Iterator[tuple[str, str]]:
    environment = jsonpath.JSONPathEnvironment(strict=True)
    for path, expected in paths.items():
        found = environment.findall(path, value)
        # One place is compared with its value; several, or a list as the expectation, with all their values.
        one = len(found) == 1 and not any(differences(expected, found[0]))
        if not one and any(differences(expected, found)):
            came = shown(found[0]) if len(found) == 1 else shown(found) if found else "nothing"
            yield f"{path} = {shown(expected)}", came


def _unmet_by_schema(name: str, schema: Mapping[str, Any], value: Any) -> Iterator[tuple[str, str]]:
    # A registry of our own, or jsonschema would fetch a `$ref` from the network.
    validator = jsonschema.validators.validator_for(schema)(schema, registry=referencing.Registry())
    try:
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    except referencing.exceptions.Unresolvable as unresolvable:
        yield f"JSON that {name} accepts", f"a `$ref` in {name} that leads nowhere: {unresolvable}"
        return
    if error is not None:
        yield f"JSON that {name} accepts", f"{error.json_path}: {clipped(error.message)}"


def _unmet_by_command(check: CommandCheck, printed: Printed) -> Iterator[tuple[str, str]]:
    if printed.status is None:
        yield f"an end within {check.timeout:g} s", "none; it was killed"
    elif printed.status != check.exit_code:
        yield f"exit status {check.exit_code}", describe_status(printed.status).removeprefix("exit status ")
    for stream, patterns, text, came in (
        ("stdout", check.stdout_matches, printed.stdout, shown(clipped(printed.stdout))),
        ("stderr", check.stderr_matches, printed.stderr, _ending(printed.stderr)),
    ):
        for pattern in as_tuple(patterns):
            if not re.search(pattern, text):
                yield f"{stream} that matches {pattern!r}", came
    for unwanted in as_tuple(check.stdout_not_contains):
        if unwanted in printed.stdout:
            yield f"stdout without {shown(unwanted)}", shown(clipped(printed.stdout))


def _text(answer: Answer) -> str:
    message = Message()
    message["Content-Type"] = answer.headers.get("content-type", "")
    charset = message.get_content_charset("utf-8")
    try:
        return answer.body.decode(codecs.lookup(charset).name)
    except LookupError:
        msg = f"a body in the unknown charset {charset!r}"
        raise _NotTextError(msg) from None
    except UnicodeDecodeError as error:
        msg = f"a body that is not {charset} (byte {error.start})"
        raise _NotTextError(msg) from None


def _refuse_constant(name: str) -> Any:
    msg = f"{name} is not JSON"
    raise ValueError(msg)
