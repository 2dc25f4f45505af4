"""The results of checks: a program's answer or output, compared with what the check expects. Pure.

The comparison may take for ever, or need any amount of memory: `limited.call` bounds it. Each requirement is announced
with `limited.doing`, so that a failure names the requirement that took too long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import jsonschema
    import referencing
    import referencing.exceptions
else:  # they take 130 ms to load, and are only needed for `json-schema`
    jsonschema, referencing = lazy("jsonschema"), lazy("referencing")


import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nox_pex.settings.checks import CommandCheck, HttpCheck, TextMatch
from nox_pex.settings.values import Status, as_tuple, parse_size, signal_number, statuses
from nox_pex.smoke import log
from nox_pex.smoke.checks import json_values
from nox_pex.smoke.checks.answers import CheckAnswer
from nox_pex.smoke.checks.charsets import NotTextError, text_of
from nox_pex.smoke.checks.http_client import Answer
from nox_pex.smoke.checks.texts import SHOWN, short_json, short_json_of_end, shorten, without_middle
from nox_pex.smoke.process.program import describe_status
from nox_pex.system.limited import doing
from nox_pex.system.secrets import Secrets

_ESSENCE: Final = 90
"""The number of characters that a short sentence has of one value."""


_BODY_SHOWN: Final = 1000
"""The number of bytes of a body of which the beginning is shown."""


class CheckResult(Struct, frozen=True, kw_only=True):
    """The result of one check. `expected` and `actual` are short texts for people, `seconds` is how long it took.

    `problem` is the failure in one sentence, if that is clearer than `expected …, got …`. `request` is the method and
    the URL, the address of a port, or the command line; empty if nothing was sent. `answer` is None if there is none.
    """

    check: str
    passed: bool
    expected: str
    actual: str
    seconds: float = 0.0
    problem: str | None = None
    request: str = ""
    answer: CheckAnswer | None = None

    @property
    def explanation(self) -> str:
        """The failure in one sentence."""
        return self.problem or f"expected {self.expected}, got {self.actual}"

    @property
    def essence(self) -> str:
        """The check and its failure in one short sentence: the middle of long values is left out."""
        short = functools.partial(without_middle, most=_ESSENCE)
        if self.problem is not None:
            return f"{short(self.check)}: {without_middle(self.problem, 2 * _ESSENCE)}"
        return f"{short(self.check)}: expected {short(self.expected)}, got {short(self.actual)}"

    def masked(self, secrets: Secrets) -> CheckResult:
        """Return the result without secrets."""
        return replace(
            self,
            check=secrets.mask(self.check),
            expected=secrets.mask(self.expected),
            actual=secrets.mask(self.actual),
            problem=None if self.problem is None else secrets.mask(self.problem),
            request=secrets.mask(self.request),
            answer=None if self.answer is None else self.answer.masked(secrets),
        )

    def __str__(self) -> str:
        return f"{self.check}: {self.explanation}"


class CommandOutput(Struct, frozen=True, kw_only=True):
    """The exit status of a command (-N after signal N, None if it was killed after its timeout), and its output.

    `extra_timeout` are the seconds of `startup-timeout`, if the command had them on top of its `timeout`.
    """

    status: int | None
    stdout: bytes
    stderr: bytes
    seconds: float
    extra_timeout: float = 0.0


class _Mismatch(NamedTuple):
    """One requirement of a check that is not met. The fields are those of `CheckResult`."""

    expected: str
    actual: str
    problem: str | None = None


def http_result(check: HttpCheck, answer: Answer, *, schema: Any = None) -> CheckResult:
    """Return the result of an HTTP check: passed, or failed with the first requirement that is not met.

    `schema` is the parsed JSON Schema that the check names.
    """
    mismatch = next(_http_mismatches(check, answer, schema), None)
    expected, actual, problem = mismatch or _Mismatch(f"status {describe_statuses(check.status)}", str(answer.status))
    return CheckResult(
        check=request_line(check),
        passed=mismatch is None,
        expected=expected,
        actual=actual,
        seconds=answer.seconds,
        problem=problem,
    )


def failed_http(check: HttpCheck, answer: Answer, problem: str) -> CheckResult:
    """Return the result of an HTTP check that failed because of `problem`."""
    return _failed(request_line(check), problem, seconds=answer.seconds)


def request_line(check: HttpCheck) -> str:
    """Return the method and the path of a check, for people."""
    return f"{check.method} {check.path}"


def command_line(check: CommandCheck, name: str) -> str:
    """Return the command line of a check, for people. `name` is the name of the binary."""
    return " ".join((check.script or name, *check.args))


def command_result(check: CommandCheck, output: CommandOutput, name: str) -> CheckResult:
    """Return the result of a command: passed, or failed with the first requirement that is not met.

    `name` is the name of the binary.
    """
    mismatch = next(_command_mismatches(check, output), None)
    exited = f"exit status {check.exit_code}"
    expected, actual, problem = mismatch or _Mismatch(exited, exited)
    return CheckResult(
        check=command_line(check, name),
        passed=mismatch is None,
        expected=expected,
        actual=actual,
        seconds=output.seconds,
        problem=problem,
    )


def failed_command(check: CommandCheck, output: CommandOutput, name: str, problem: str) -> CheckResult:
    """Return the result of a command that failed because of `problem`."""
    return _failed(command_line(check, name), problem, seconds=output.seconds)


def not_run(check: str, problem: str) -> CheckResult:
    """Return the result of a check that was not run because of `problem`."""
    return _failed(check, problem)


def _failed(check: str, problem: str, *, seconds: float = 0.0) -> CheckResult:
    return CheckResult(
        check=check, passed=False, expected="a complete check", actual=problem, seconds=seconds, problem=problem
    )


def status_matches(expected: Status, actual: int | None) -> bool:
    """Whether an HTTP status is one of the expected ones."""
    return actual is not None and any(actual in each for each in statuses(expected))


def describe_statuses(status: Status) -> str:
    """Return the expected statuses for people: `200`, `2xx or 301`."""
    return " or ".join(str(each) for each in (status if isinstance(status, tuple) else (status,)))


def describe_answer(answer: Answer) -> str:
    """Return an answer for people: its status, with where it leads or the beginning of its body; or its problem."""
    if answer.status is None or answer.final:
        return answer.problem or "nothing"
    location = answer.headers.get("location")
    if location is not None:
        return f"status {answer.status} to {shorten(location)}"
    body = shorten(answer.body[:_BODY_SHOWN].decode(errors="backslashreplace"))
    return f"status {answer.status} with the body {short_json(body)}" if body else f"status {answer.status}"


def exit_allowed(status: int, codes: tuple[int | str, ...]) -> bool:
    """Whether an exit status (-N after signal N) is in `stop-exit-codes`. The name of a signal means -N and 128+N."""
    allowed: set[int] = set()
    for code in codes:
        number = signal_number(code) if isinstance(code, str) else None
        allowed |= {int(code)} if number is None else {-number, 128 + number}
    return status in allowed


def differences(expected: Any, actual: Any, path: str = "$") -> Iterator[tuple[str, str, str]]:
    """Yield each difference of two JSON values: its JSONPath, the expected and the actual value there, as text."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in expected | actual:
            at = f"{path}.{key}" if key.isidentifier() else f"{path}[{json.dumps(key)}]"
            if key not in actual:
                yield at, short_json(expected[key]), "nothing"
            elif key not in expected:
                yield at, "nothing", short_json(actual[key])
            else:
                yield from differences(expected[key], actual[key], at)
    elif isinstance(expected, list) and isinstance(actual, list):
        for index, (left, right) in enumerate(zip(expected, actual, strict=False)):
            yield from differences(left, right, f"{path}[{index}]")
        if len(expected) != len(actual):
            yield path, f"{len(expected)} items", f"{len(actual)} items"
    elif not _same(expected, actual):
        yield path, short_json(expected), short_json(actual)


def _same(expected: Any, actual: Any) -> bool:
    # True equals 1 in Python, but not in JSON. 1 and 1.0 are the same number in both.
    return isinstance(expected, bool) is isinstance(actual, bool) and bool(expected == actual)


def _http_mismatches(check: HttpCheck, answer: Answer, schema: Any) -> Iterator[_Mismatch]:
    if not status_matches(check.status, answer.status):
        problem = answer.problem if answer.final else None
        yield _Mismatch(f"status {describe_statuses(check.status)}", describe_answer(answer), problem=problem)
    if answer.problem is not None:
        yield _Mismatch("a complete answer", answer.problem, problem=answer.problem)
    if check.max_seconds is not None and answer.seconds > check.max_seconds:
        yield _Mismatch(f"an answer within {check.max_seconds:g} s", f"one after {answer.seconds:.2f} s")
    if check.max_size is not None and len(answer.body) > parse_size(check.max_size):
        yield _Mismatch(f"at most {check.max_size}", f"{len(answer.body)} bytes")
    for name, wanted in check.headers.items():
        yield from _header_mismatches(name, wanted, answer.headers.get(name.lower()))
    try:
        yield from _text_mismatches(check, answer)
        yield from _json_mismatches(check, answer, schema)
    except NotTextError as error:
        yield _Mismatch("text", str(error))


def _header_mismatches(name: str, wanted: str | TextMatch, given: str | None) -> Iterator[_Mismatch]:
    actual = "none" if given is None else shorten(given)
    if isinstance(wanted, str):
        if given != wanted:
            yield _Mismatch(f"header {name}: {wanted}", actual)
        return
    for text in as_tuple(wanted.contains):
        if given is None or text not in given:
            yield _Mismatch(f"header {name} with {short_json(text)}", actual)
    for pattern in as_tuple(wanted.matches):
        doing(f"`headers.{name}.matches` {pattern!r}")
        if given is None or not re.search(pattern, given):
            yield _Mismatch(f"header {name} that matches {pattern!r}", actual)


def _text_mismatches(check: HttpCheck, answer: Answer) -> Iterator[_Mismatch]:
    if not (check.contains or check.not_contains or check.matches):
        return
    doing("decoding the text")
    text = text_of(answer.headers, answer.body)
    for wanted in as_tuple(check.contains):
        if wanted not in text:
            yield _Mismatch(f"text with {short_json(wanted)}", short_json(shorten(text)))
    for unwanted in as_tuple(check.not_contains):
        if unwanted in text:
            start = max(0, text.index(unwanted) - SHOWN // 4)
            yield _Mismatch(f"text without {short_json(unwanted)}", short_json(shorten(text[start:])))
    for pattern in as_tuple(check.matches):
        doing(f"`matches` {pattern!r}")
        if not re.search(pattern, text):
            yield _Mismatch(f"text that matches {pattern!r}", short_json(shorten(text)))


def _json_mismatches(check: HttpCheck, answer: Answer, schema: Any) -> Iterator[_Mismatch]:
    if check.json is msgspec.UNSET and not check.json_path and schema is None:
        return
    doing("parsing the JSON")
    text = text_of(answer.headers, answer.body)
    try:
        value = json_values.parse(text)
    except ValueError as error:
        yield _Mismatch("JSON", f"{short_json(shorten(text))} ({error})")
        return
    if check.json is not msgspec.UNSET:
        doing("`json`")
        found = list(differences(check.json, value))
        if found:
            more = f" (and {len(found) - 1} more differences)" if len(found) > 1 else ""
            path, expected, actual = found[0]
            yield _Mismatch(f"{path} = {expected}", f"{actual}{more}")
    if check.json_path:
        yield from _path_mismatches(check.json_path, value)
    if schema is not None:
        yield from _schema_mismatches(check.json_schema or "", schema, value)


def _path_mismatches(paths: Mapping[str, Any], value: Any) -> Iterator[_Mismatch]:
    for path, expected in paths.items():
        doing(f"`json-path` {path!r}")
        found = json_values.find(path, value)
        # A single match may equal the expectation. Otherwise the list of all matches must.
        one = len(found) == 1 and not any(differences(expected, found[0]))
        if not one and any(differences(expected, found)):
            actual = short_json(found[0]) if len(found) == 1 else short_json(found) if found else "nothing"
            yield _Mismatch(f"{path} = {short_json(expected)}", actual)


def _schema_mismatches(name: str, schema: Mapping[str, Any], value: Any) -> Iterator[_Mismatch]:
    doing(f"`json-schema` {name!r}")
    # With an empty registry, because jsonschema would otherwise fetch a `$ref` from the network.
    validator = jsonschema.validators.validator_for(schema)(schema, registry=referencing.Registry())
    try:
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    except referencing.exceptions.Unresolvable as unresolvable:
        yield _Mismatch(f"JSON that {name} accepts", f"a `$ref` in {name} that cannot be resolved: {unresolvable}")
        return
    if error is not None:
        yield _Mismatch(f"JSON that {name} accepts", f"{error.json_path}: {shorten(error.message)}")


def _command_mismatches(check: CommandCheck, output: CommandOutput) -> Iterator[_Mismatch]:
    if output.status is None:
        keys = "`timeout` and `startup-timeout`" if output.extra_timeout else "`timeout`"
        seconds = check.timeout + output.extra_timeout
        problem = f"still running after {seconds:g} s ({keys}), so it was killed"
        yield _Mismatch(f"exit status {check.exit_code}", problem, problem=problem)
    elif output.status != check.exit_code:
        actual = describe_status(output.status).removeprefix("exit status ")
        yield _Mismatch(f"exit status {check.exit_code}", actual)
    stdout, stderr = (data.decode(errors="replace") for data in (output.stdout, output.stderr))
    for stream, patterns, data, actual in (
        ("stdout", check.stdout_matches, output.stdout, short_json(shorten(stdout))),
        ("stderr", check.stderr_matches, output.stderr, short_json_of_end(stderr)),
    ):
        texts = _texts(data) if patterns else ()
        for pattern in as_tuple(patterns):
            doing(f"`{stream}-matches` {pattern!r}")
            if not any(re.search(pattern, text, re.MULTILINE) for text in texts):
                yield _Mismatch(f"{stream} that matches {pattern!r}", actual)
    for unwanted in as_tuple(check.stdout_not_contains):
        if any(unwanted in text for text in (stdout, *_texts(output.stdout))):
            yield _Mismatch(f"stdout without {short_json(unwanted)}", short_json(shorten(stdout)))


def _texts(data: bytes) -> tuple[str, ...]:
    """Return the output as patterns see it: without escape sequences, and as it is. CRLF ends a line in both."""
    plain, text = log.plain_text(data), data.decode(errors="replace").replace("\r\n", "\n")
    return (plain,) if plain == text else (plain, text)
