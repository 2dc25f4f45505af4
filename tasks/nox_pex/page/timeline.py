"""The boots of a binary as a timeline: a bar for each condition with its phases, on one scale in seconds. Pure.

A table next to the picture says the same in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import htpy
from htpy import Element, Node
from msgspec import Struct

from nox_pex.page import drawing
from nox_pex.page.html import seconds_text, text
from nox_pex.page.model import Boot
from nox_pex.page.squarify import Box

_PHASES: Final = {
    "launch": "Python starts, and pex",
    "unpack": "pex unpacks the file",
    "venv": "pex makes the virtual environment",
    "imports": "the program loads, until its port is open",
    "ready": "until the sign that it is ready",
    "checks": "the checks",
    "soak": "it must stay up",
    "stop": "from the stop signal to its end",
    "start": "the whole start",
}
"""The phases of a boot in their order (`smoke/phases.py`), and what happens in each. `start`: no more is known."""

_MOST_BOOTS: Final = 12
_MOST_PHASES: Final = 24
_LONGEST: Final = 1e7
"""Seconds, more than three months: a result with more is not from a boot."""

_SHORTEST: Final = 0.001
"""Seconds that the scale has at least."""

_FONT: Final = 13.0
_SMALL: Final = 11.0
_BAR: Final = 28.0


class _Form(Struct, frozen=True, kw_only=True):
    """One of the two forms of the picture. In the wide one, names are to the left of the bars, else above them."""

    name: str
    width: float
    left: float
    right: float
    ticks: int


_FORMS: Final = (
    _Form(name="wide", width=900, left=128, right=30, ticks=10),
    _Form(name="tall", width=400, left=1, right=24, ticks=5),
)


class _Segment(Struct, frozen=True, kw_only=True):
    """A phase with its time, which is within what can be drawn."""

    name: str
    start: float
    seconds: float


class _Scale(Struct, frozen=True, kw_only=True):
    """The scale of the seconds: where on the picture a time is."""

    left: float
    per_second: float

    def at(self, seconds: float) -> float:
        """Return the place of a time."""
        return self.left + seconds * self.per_second


def timeline(boots: Sequence[Boot], *, title: str) -> Node:
    """Return the timeline of `boots` in a wide and a tall form, of which the stylesheet shows one, and its legend.

    Nothing is returned if no boot has a time.
    """
    shown = boots[:_MOST_BOOTS]
    segments = [_segments(boot) for boot in shown]
    if not any(segments):
        return None
    last = max(_SHORTEST, *(each.start + each.seconds for found in segments for each in found))
    names = {each.name for found in segments for each in found}
    prefix = "".join(character if character.isalnum() else "-" for character in title.lower())
    told = ". ".join(map(_told, shown)) + "."
    return htpy.figure(".picture.boots")[
        (_picture(form, shown, segments, last, title=title, told=told, prefix=prefix) for form in _FORMS),
        htpy.figcaption[
            htpy.ul(".key")[
                (
                    htpy.li[drawing.swatch(f"phase {name}"), htpy.span[htpy.strong[name], " ", said]]
                    for name, said in _PHASES.items()
                    if name in names
                )
            ]
        ],
    ]


def _segments(boot: Boot) -> list[_Segment]:
    """Return the phases of a boot that can be drawn, or its start, if no more is known of it."""
    known = [phase for phase in boot.phases[:_MOST_PHASES] if phase.name in _PHASES and phase.seconds > 0]
    found = [_Segment(name=phase.name, start=_within(phase.start), seconds=_within(phase.seconds)) for phase in known]
    if not found and boot.ready_after is not None and boot.ready_after > 0:
        return [_Segment(name="start", start=0.0, seconds=_within(boot.ready_after))]
    return found


def _within(seconds: float) -> float:
    return min(max(0.0, seconds), _LONGEST) if math.isfinite(seconds) else 0.0


def _told(boot: Boot) -> str:
    """Return what a picture says of a boot, in words."""
    ready = f", ready after {seconds_text(_within(boot.ready_after))}" if boot.ready_after is not None else ""
    return f"{text(boot.condition)}: {boot.state}{ready}"


def _picture(
    form: _Form,
    boots: Sequence[Boot],
    segments: Sequence[Sequence[_Segment]],
    last: float,
    *,
    title: str,
    told: str,
    prefix: str,
) -> Element:
    """Return the picture in one of its forms."""
    scale = _Scale(left=form.left, per_second=(form.width - form.left - form.right) / last)
    rows: list[Node] = []
    y = 4.0
    for boot, found in zip(boots, segments, strict=True):
        drawn, y = _row(form, boot, found, scale, y)
        rows.append(drawn)
    return drawing.picture(
        f"{prefix}-{form.name}",
        f"line {form.name}",
        list(_axis(form, scale, last, y)),
        rows,
        title=f"{title}: the time that each phase took",
        told=told,
        size=(form.width, y + 24),
    )


def _axis(form: _Form, scale: _Scale, last: float, bottom: float) -> Iterator[Element]:
    """Yield the lines of the scale, and the seconds below them."""
    step = _step(last, form.ticks)
    for number in range(math.floor(last / step + 1e-9) + 1):
        seconds = number * step
        x = scale.at(seconds)
        if number or form.name == "wide":  # in the tall form, words begin there
            yield drawing.line(x, 0, x, bottom, "grid" if number else "grid zero")
        anchor = "middle" if number or form.left > 20 else ""  # noqa: PLR2004  # room for half of a 0
        yield drawing.label(x, bottom + 15, _tick(seconds), "small dim", anchor=anchor)


def _step(last: float, most: int) -> float:
    """Return the step of a scale up to `last` with at most `most` steps: 1, 2 or 5 times a power of ten."""
    least = last / most
    power = 10.0 ** math.floor(math.log10(least))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= least * (1 - 1e-9)), 10 * power)


def _tick(seconds: float) -> str:
    return "0" if seconds == 0 else f"{seconds:.4g} s"


def _row(form: _Form, boot: Boot, segments: Sequence[_Segment], scale: _Scale, y: float) -> tuple[Element, float]:
    """Return a boot with its bar, drawn from `y` on, and where the next one begins."""
    above = form.name == "tall"
    state = drawing.words(_STATES.get(boot.state, boot.state), f"state-{boot.state}")
    name = drawing.fitted(text(boot.condition), _FONT, 110, shortest=4)
    drawn: list[Node] = []
    if above:
        drawn.append(drawing.label(form.left, y + 13, [drawing.words(name, "name"), "  ", state]))
        y += 18
    elif segments:
        drawn += (
            drawing.label(0, y + 30, drawing.words(name, "name")),
            drawing.label(0, y + 46, state, "small"),
        )
    else:
        drawn.append(drawing.label(0, y + 18, drawing.words(name, "name")))
        drawn.append(drawing.label(form.left + 6, y + 18, [state, _reason(form, boot, state_width=70)], "small"))
        return drawing.group(*drawn, classes="boot"), y + 36
    if segments:
        drawn.append(_bar(form, boot, segments, scale, y))
        y += 18 + _BAR
        if boot.state != "passed" and boot.reason:
            drawn.append(drawing.label(form.left, y + 15, _reason(form, boot).lstrip(": "), "small"))
            y += 18
    else:
        drawn.append(drawing.label(form.left, y + 12, _reason(form, boot).lstrip(": "), "small"))
        y += 14
    return drawing.group(*drawn, classes="boot"), y + 16


_STATES: Final = {"passed": "✔ passed", "failed": "✘ failed", "skipped": "⊘ skipped"}


def _reason(form: _Form, boot: Boot, *, state_width: float = 0.0) -> str:
    """Return why a boot did not pass, or the beginning of it. The table has the whole text."""
    room = form.width - form.left - state_width - 8
    reason = drawing.fitted(text(boot.reason), _SMALL, room)
    return f": {reason}" if reason else ""


def _bar(form: _Form, boot: Boot, segments: Sequence[_Segment], scale: _Scale, y: float) -> Element:
    """Return the bar of a boot, with the time at which it was ready written above."""
    top = y + 18
    drawn: list[Node] = []
    for each in segments:
        x, end = scale.at(each.start), scale.at(each.start + each.seconds)
        box = Box(x=x, y=top, width=max(0.75, end - x), height=_BAR)
        took = seconds_text(each.seconds)
        tip = f"{each.name}: {took}, from {seconds_text(each.start)} on"
        inner = box if box.width < 4 else Box(x=x + 0.5, y=top, width=box.width - 1, height=_BAR)  # noqa: PLR2004
        drawn.append(
            drawing.group(
                drawing.rectangle(inner, "bar"), *_said(each.name, took, box), classes=f"phase {each.name}", tip=tip
            )
        )
    if boot.state == "failed":
        drawn.append(
            drawing.label(max(scale.at(each.start + each.seconds) for each in segments) + 6, top + 19, "✘", "end")
        )
    if boot.ready_after is not None:
        drawn.extend(_ready(form, _within(boot.ready_after), scale, top))
    return drawing.group(*drawn)


def _said(name: str, took: str, box: Box) -> Iterator[Element]:
    """Yield the name of a phase and its time, or what of it fits into its box."""
    middle, base = box.x + box.width / 2, box.y + _BAR / 2 + 4
    for said in (f"{name} {took}", name):
        if drawing.text_width(said, _SMALL) <= box.width - 6:
            yield drawing.label(middle, base, said, "small", anchor="middle")
            return


def _ready(form: _Form, seconds: float, scale: _Scale, top: float) -> Iterator[Element]:
    """Yield the mark of the time at which a program was ready, and the time in words."""
    x = min(scale.at(seconds), form.width - form.right)
    said = f"ready after {seconds_text(seconds)}"
    is_left = x + drawing.text_width(said, _FONT * 1.1) + 8 > form.width
    yield drawing.path(f"M{drawing.number(x)} {drawing.number(top + _BAR + 3)}V{drawing.number(top - 13)}", "mark")
    yield drawing.path(f"M{drawing.number(x)} {drawing.number(top - 1)}l-4 -6h8z", "flag")
    at = x - 7 if is_left else x + 7
    yield drawing.label(at, top - 5, said, "ready-text", anchor="end" if is_left else "")
