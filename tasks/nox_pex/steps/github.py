"""The annotations of GitHub Actions for the outcomes of a run: one for each cause, however many binaries have it. Pure.

Fact sources: actions/runner (`ActionCommand`: `%`, CR and LF are escaped in a message, `:` and `,` in a property too),
and GitHub's documentation of workflow commands: ten annotations of each kind for a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from nox_pex.steps.outcome import Cause, Outcome, Part

_MOST: Final = 10
"""The annotations of a kind that GitHub shows for a step."""


_BOOTING: Final = ("smoke", "image")
"""The steps whose parts are boots."""


_MOST_NAMES: Final = 5
"""The binaries that a title names."""


def commands(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the commands for GitHub: an error for each cause of a failure, and a warning for each reason of a skip.

    A skipped part of a step that failed has no warning. If there are more than GitHub shows, the last one says so.
    """
    yield from _limited("error", [_error(cause, found) for cause, found in by_cause(outcomes)])
    yield from _limited("warning", [_warning(*each) for each in _skips(outcomes).items()])


def by_cause(outcomes: Sequence[Outcome]) -> list[tuple[Cause, list[Outcome]]]:
    """Return each cause of a failure, with the outcomes that have it, in the order in which they happened."""
    found: dict[tuple[str, str, str], tuple[Cause, list[Outcome]]] = {}
    for each in outcomes:
        if each.cause is not None:
            found.setdefault(each.cause.key, (each.cause, []))[1].append(each)
    return list(found.values())


def names(outcomes: Sequence[Outcome]) -> str:
    """Return the step and the binaries of outcomes with one cause: `smoke api, worker and 3 more`."""
    steps = ", ".join(dict.fromkeys(each.step for each in outcomes))
    found = list(dict.fromkeys(each.name for each in outcomes if each.name))
    more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
    return f"{steps} {', '.join(found[:_MOST_NAMES])}{more}".strip()


def skipped_boots(outcome: Outcome) -> list[Part]:
    """Return the boots of an outcome that were skipped. A gate that is skipped has nothing to check."""
    return [part for part in outcome.parts if part.result == "skipped" and outcome.step in _BOOTING]


def _skips(outcomes: Sequence[Outcome]) -> Mapping[tuple[str, str], list[Outcome]]:
    """Return the outcomes with skipped parts, by the names of the parts and the reason."""
    found: dict[tuple[str, str], list[Outcome]] = {}
    for each in outcomes:
        skipped: dict[str, list[str]] = {}
        for part in skipped_boots(each) if each.result != "failed" else ():
            skipped.setdefault(part.text, []).append(part.name)
        for reason, parts in skipped.items():
            found.setdefault((", ".join(parts), reason), []).append(each)
    return found


def _error(cause: Cause, found: Sequence[Outcome]) -> str:
    place = f",file={_property(cause.file)}" if cause.file else ""
    place += f",line={cause.line}" if cause.file and cause.line else ""
    by_hand = f"\nby hand: {cause.by_hand}" if cause.by_hand else ""
    message = f"error[{cause.code}]: {cause.problem}; {cause.remedy}{by_hand}"
    return f"title={_property(names(found))}{place}::{_message(message)}"


def _warning(skip: tuple[str, str], found: Sequence[Outcome]) -> str:
    parts, reason = skip
    return f"title={_property(names(found))}::{_message(f'{parts}: skipped: {reason}')}"


def _limited(kind: str, every: Sequence[str]) -> Iterator[str]:
    shown = every if len(every) <= _MOST else every[: _MOST - 1]
    yield from (f"::{kind} {each}" for each in shown)
    if len(shown) < len(every):
        yield f"::{kind} title=nox-pex::{len(every) - len(shown)} more, in the log and in the summary of the job"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
