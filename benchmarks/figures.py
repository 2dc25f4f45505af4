"""Medians, ratios, and the text of figures."""

from __future__ import annotations

from statistics import median

from benchmarks.results import Series, Unit

_SECOND = 1.0
_TENS = 10.0


def middle(series: Series | None) -> float | None:
    """The median of the successful runs; None if there are none."""
    return median(series.values) if series is not None and series.values else None


def least(series: Series | None) -> float | None:
    """The smallest sample; None if there is none."""
    return min(series.values) if series is not None and series.values else None


def ratio(above: Series | None, below: Series | None) -> float | None:
    """The median of the ratios in each round, which cancels out changes from round to round.

    Only rounds in which both runs succeeded count. If there is no such round, this is the ratio of the medians. It is
    None if one of the series has no sample.
    """
    if above is None or below is None:
        return None
    pairs = zip(above.samples, below.samples, strict=False)
    rounds = [one / other for one, other in pairs if one is not None and other]
    if rounds:
        return median(rounds)
    one, other = middle(above), middle(below)
    return one / other if one is not None and other else None


def shown(value: float | None, unit: Unit = "s") -> str:
    """A value as text: `0.19 s`, `23.4 s`, `63.4 MB` (10^6 bytes)."""
    if value is None:
        return "-"
    if unit == "bytes":
        return f"{value / 1e6:.1f} MB"
    digits = 1 if value >= _TENS else 2 if value >= _SECOND / 10 else 3
    return f"{value:.{digits}f} s"


def times(value: float | None) -> str:
    """A ratio as text: `1.04`, `16`."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= _TENS else f"{value:.1f}" if value >= _TENS / 3 else f"{value:.2f}"
