"""The part of a page about the running program: its boots, the checks with their answers, and the gates of `verify`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from htpy import Element, Node, code, li, p, ul

from nox_pex.page import html
from nox_pex.page.html import text
from nox_pex.page.model import Boot, Check, Gate, Page
from nox_pex.page.timeline import timeline


def boots(page: Page) -> Node:
    """Return the boots under each condition, as a picture and as a table; nothing if there are none."""
    found = [_boots("boots", "Boots", page.boots)] if page.boots else []
    return [*found, *([_boots("image-boots", "Boots in the image", page.image_boots)] if page.image_boots else [])]


def _boots(identifier: str, title: str, every: Sequence[Boot]) -> Element:
    rows = [
        (
            text(boot.condition),
            html.state(boot.state),
            html.seconds_text(boot.ready_after),
            _passed(boot),
            _stop(boot),
            html.bytes_text(boot.memory) if boot.memory is not None else "",
            text(boot.reason),
        )
        for boot in every
    ]
    head = ("Condition", "Result", "Ready after", "Checks", "Stop", "Memory", "Reason")
    return html.part(
        identifier,
        title,
        timeline(every, title=title),
        html.table(f"{title} under each condition", head, rows, numbers=(2, 5)),
        _phases(title, every),
        *_checks(title, every),
    )


def _passed(boot: Boot) -> str:
    return f"{sum(check.passed for check in boot.checks)} of {boot.check_count}" if boot.check_count else "none"


def _stop(boot: Boot) -> str:
    took = f" in {html.seconds_text(boot.stop_seconds)}" if boot.stop_seconds is not None else ""
    return f"{text(boot.stop)}{took}" if boot.stop else ""


def _phases(title: str, every: Sequence[Boot]) -> Node:
    rows = [
        (text(boot.condition), text(phase.name), html.seconds_text(phase.start), html.seconds_text(phase.seconds))
        for boot in every
        for phase in boot.phases
    ]
    head = ("Condition", "Phase", "Begins after", "Takes")
    caption = f"{title}: the phases of each"
    return html.fold("The phases as a table", html.table(caption, head, rows, numbers=(2, 3))) if rows else None


def _checks(title: str, every: Sequence[Boot]) -> Iterator[Node]:
    """Yield the checks of each boot: those of a failed boot are open."""
    for boot in every:
        if boot.checks:
            passed = sum(check.passed for check in boot.checks)
            rows = [
                (
                    text(check.request or check.name),
                    html.state("passed" if check.passed else "failed"),
                    text(check.expected),
                    _got(check),
                    html.seconds_text(check.seconds),
                )
                for check in boot.checks
            ]
            head = ("Request", "Result", "Expected", "Answer", "Took")
            summary = f"Checks, {boot.condition}: {passed} of {len(boot.checks)} passed"
            caption = f"{title}: checks, {boot.condition}"
            yield html.fold(text(summary), html.table(text(caption), head, rows, numbers=(4,)), is_open=True)


def _got(check: Check) -> Node:
    answer = check.answer
    if answer is None:
        return text(check.got)
    kind = f", {text(answer.content_type)}" if answer.content_type else ""
    status = "" if answer.status is None else f"{answer.status}, "
    return [
        f"{status}{html.bytes_text(answer.size)}{kind}",
        [" ", code(".body")[text(answer.body)]] if answer.body else None,
        None if check.passed else p[text(check.got)],
    ]


def gates(page: Page) -> Node:
    """Return the gates of `verify`; nothing if it was not run."""
    if not page.gates:
        return None
    rows = [
        (text(each.name), html.state(each.state), _summary(each), html.seconds_text(each.seconds))
        for each in page.gates
    ]
    head = ("Gate", "Result", "What it found", "Took")
    return html.part(
        "gates", "Gates", html.table("Each gate checks one thing in the finished file", head, rows, numbers=(3,))
    )


def _summary(gate: Gate) -> Node:
    more = [*gate.problems, *(f"note: {note}" for note in gate.notes)]
    return [html.prose(html.capital(gate.summary)), ul[(li[html.prose(each)] for each in more)] if more else None]
