"""Write the page of results, the chart, and the tables in the documentation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks import chart, tables
from benchmarks.results import Results


def text(results: Results) -> str:
    """All results as one Markdown page."""
    return tables.page(results)


def everything(results: Results, *, root: Path) -> None:
    """Write the page, the chart, and the tables in `docs/benchmarks.md` in the checkout at `root`."""
    (root / "benchmarks/results/latest.md").write_text(text(results), "utf-8")
    (root / "docs/benchmark.svg").write_text(chart.svg(results), "utf-8")
    document = root / "docs/benchmarks.md"
    parts = {**tables.sections(results), "ways": tables.competitors()}
    document.write_text(filled(document.read_text("utf-8"), parts), "utf-8")


def filled(document: str, parts: Mapping[str, str]) -> str:
    """Return `document` with each of `parts` between `<!-- bench: NAME -->` and `<!-- end -->`.

    Raises `ValueError` for a NAME that is not in `parts`.
    """

    def put(place: re.Match[str]) -> str:
        if place["name"] not in parts:
            msg = f"there is no table {place['name']!r}; there are {', '.join(parts)}"
            raise ValueError(msg)
        return f"{place['begin']}\n\n{parts[place['name']].strip() or 'Not measured.'}\n\n{place['end']}"

    return re.sub(r"(?P<begin><!-- bench: (?P<name>\w+) -->).*?(?P<end><!-- end -->)", put, document, flags=re.DOTALL)
