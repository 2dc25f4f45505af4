"""The chart in docs/benchmarks.md: groups of horizontal bars on a logarithmic scale, as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from benchmarks import boots, builds, tables
from benchmarks.competitors import BUNDLE, PLAIN_PEX, RECIPE
from benchmarks.figures import middle, ratio, shown, times
from benchmarks.results import NOX_PEX, Results, Series

_WIDTH: Final = 820
_LEFT: Final = 190
_RIGHT: Final = 150
_BAR: Final = 15
_STEP: Final = 21
_GAP: Final = 44
_TOP: Final = 74
_TICK_WIDTH: Final = 44
"""The width of the label of a tick, with a gap, in pixels."""
_STYLE: Final = """\
text { font: 12.5px system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 } .group { font-weight: 600 } .small { font-size: 11px; fill: #59636e }
.own { fill: #0969da } .other { fill: #afb8c1 } .floor { fill: #d8dee4 } .grid { stroke: #d1d9e0; stroke-width: 1 }
.strong { font-weight: 600 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .small { fill: #9198a1 }
.own { fill: #4493f8 } .other { fill: #545d68 } .floor { fill: #343b44 } .grid { stroke: #30363d }
}"""

_TICKS: Final = tuple(figure * 10.0**power for power in range(-4, 5) for figure in (1, 2, 5))
_ROOT: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" \
role="img" aria-labelledby="title">"""

_GROUPS: Final = (
    ("First build of a new lock, its downloads cached (hello world, 14 distributions)", builds.PIECE, "hello", "new"),
    ("First build of a new lock, its downloads cached (82 distributions)", builds.PIECE, "app", "new"),
    ("One source file changed (hello world)", builds.PIECE, "hello", "edit"),
    ("One source file changed (82 distributions)", builds.PIECE, "app", "edit"),
    ("One dependency bumped (82 distributions)", builds.PIECE, "app", "bump"),
    ("Nothing changed (hello world)", builds.PIECE, "hello", "unchanged"),
    ("Warm boot to the first answer (82 distributions)", boots.PIECE, "app", "warm-boot"),
)
_SUBJECTS: Final = (
    NOX_PEX,
    builds.EMPTY,
    builds.COPY,
    boots.VENV,
    "pex --pylock",
    PLAIN_PEX,
    "pex --venv-repository",
    "shiv",
    BUNDLE,
    RECIPE,
)
_FLOORS: Final = (builds.EMPTY, builds.COPY, boots.VENV)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar: a subject, its median in seconds, and the label at its end."""

    subject: str
    seconds: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """Bars under one title."""

    title: str
    bars: tuple[Bar, ...]


def groups(results: Results) -> list[Group]:
    """The groups in which nox-pex was measured, each with every subject that was measured."""
    drawn = []
    for title, piece, project, case in _GROUPS:
        ours = results.find(piece, project, case, NOX_PEX)
        found = [(name, results.find(piece, project, case, name)) for name in _SUBJECTS]
        bars = tuple(_bar(name, one, ours) for name, one in found if one is not None and one.values)
        if bars and ours is not None and ours.values:
            drawn.append(Group(title=title, bars=bars))
    return drawn


def svg(results: Results) -> str:
    """The chart, as the text of an SVG file."""
    shown_groups = groups(results)
    rows = sum(len(group.bars) for group in shown_groups)
    height = _TOP + rows * _STEP + len(shown_groups) * _GAP + 34
    scale = _Scale.of([bar.seconds for group in shown_groups for bar in group.bars])
    lines = [
        _ROOT.format(width=_WIDTH, height=height),
        f"<style>\n{_STYLE}\n</style>",
        '<text id="title" class="title" x="16" y="28">From poetry.lock to one file: seconds (less is better)</text>',
        _text(tables.machine_line(results), 16, 48, "small"),
        *(line for tick in scale.ticks for line in _tick(tick, scale, height)),
        *_drawn(shown_groups, scale),
        _text(f"{_versions(results)}. Medians, logarithmic scale. × is relative to nox-pex.", 16, height - 10, "small"),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """The logarithmic scale from seconds to pixels. `low` and `high` are its limits in seconds."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> _Scale:
        low, high = min(values, default=0.1), max(values, default=10.0)
        return cls(low=max(tick for tick in _TICKS if tick < low / 1.3), high=high)

    @property
    def ticks(self) -> list[float]:
        """The round figures within the limits, in seconds: only powers of ten if the labels of all would overlap."""
        within = [tick for tick in _TICKS if self.low <= tick <= self.high]
        is_wide = self.x(2 * self.low) - self.x(self.low) >= _TICK_WIDTH
        return within if is_wide else [tick for tick in within if math.log10(tick).is_integer()]

    def x(self, seconds: float) -> float:
        """The distance from the left edge, in pixels."""
        width = _WIDTH - _LEFT - _RIGHT
        return _LEFT + width * math.log10(seconds / self.low) / math.log10(self.high / self.low)


def _bar(name: str, series: Series, ours: Series | None) -> Bar:
    seconds = middle(series) or 0.0
    label = shown(seconds) if name == NOX_PEX else f"{shown(seconds)}  ({times(ratio(series, ours))} ×)"
    return Bar(subject=name, seconds=seconds, label=label)


def _drawn(shown_groups: Sequence[Group], scale: _Scale) -> Iterator[str]:
    y = _TOP
    for group in shown_groups:
        yield _text(group.title, 16, y + 16, "group")
        y += 26
        for bar in group.bars:
            kind = "own" if bar.subject == NOX_PEX else "floor" if bar.subject in _FLOORS else "other"
            end = scale.x(bar.seconds)
            weight = " strong" if kind == "own" else ""
            yield _text(bar.subject, _LEFT - 8, y + 12, f"name{weight}", anchor="end")
            yield f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{end - _LEFT:.1f}" height="{_BAR}" rx="2"/>'
            yield _text(bar.label, round(end + 7), y + 12, f"value{weight}")
            y += _STEP
        y += _GAP - 26


def _tick(seconds: float, scale: _Scale, height: int) -> Iterator[str]:
    x = scale.x(seconds)
    yield f'<line class="grid" x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{height - 30}"/>'
    yield _text(f"{seconds:g} s", round(x), _TOP - 10, "small", anchor="middle")


def _text(text: str, x: int, y: int, kind: str, *, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _versions(results: Results) -> str:
    return ", ".join(
        f"{name} {results.tools[name]}" for name in ("nox", "poetry", "pex", "shiv") if name in results.tools
    )
