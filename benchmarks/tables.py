"""The results as Markdown tables, one section for each piece of the benchmark."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from benchmarks import (
    boots,
    builds,
    goals,
    images,
    large,
    library,
    memory,
    proof,
    pushes,
    scale,
    shapes,
    summary,
)
from benchmarks.competitors import WAYS
from benchmarks.figures import middle, ratio, shown, times
from benchmarks.results import NOX_PEX, Results, Series

_SIZES: Final = {"hello": "14 distributions", "app": "82 distributions", "data": "numpy, pandas and scipy"}
_BOOT_CASES: Final = {
    "size": "size",
    "cold-boot": "cold boot",
    "warm-boot": "warm boot",
    "cold-memory": "memory, cold",
    "warm-memory": "memory, warm",
}
_SHAPE_CASES: Final = {
    "edit": "build after an edit",
    "size": "size",
    "cold-boot": "cold boot",
    "warm-boot": "warm boot",
}


def sections(results: Results) -> Mapping[str, str]:
    """The text of each section, by its name; empty if nothing in it was measured."""
    return {name: "\n".join(write(results)) for name, write in _SECTIONS.items()}


def page(results: Results) -> str:
    """All sections as one Markdown page."""
    titles = {
        "machine": "",
        "result": "## The result\n\n",
        "summary": "## nox-pex and the best other way\n\n",
        "goals": "## Goals\n\n",
        "build": "## Builds\n\n",
        "starts": "## Cold starts\n\n",
        "boot": "## Binaries\n\n",
        "verify": "## verify\n\n",
        "image": "## Container images\n\n",
        "push": "## Images pushed to a registry\n\n",
        "shape": "## Settings that change the binary\n\n",
        "scale": "## Scale\n\n",
        "large": "## Large inputs\n\n",
        "library": "## When there is nothing to do\n\n",
        "memory": "## Memory of nox-pex\n\n",
        "noticed": "## Detected changes\n\n",
        "failures": "## What failed\n\n",
    }
    texts = sections(results)
    return "# Results\n\n" + "\n\n".join(f"{titles[name]}{texts[name]}" for name in titles if texts[name]) + "\n"


def machine_line(results: Results) -> str:
    """One line that describes the machine, with the date."""
    machine = results.machine
    return (
        f"{machine.cpu}, {machine.cores} cores, {machine.memory / 2**30:.0f} GiB, {machine.system}, "
        f"Python {machine.python}, {results.date}"
    )


def tools_line(results: Results) -> str:
    """One line with the versions of all tools."""
    return ", ".join(f"{name} {version}" for name, version in results.tools.items())


def competitors() -> str:
    """The table of all ways, with the description that each has in the code."""
    rows = ([f"**{way.name}**", way.description] for way in WAYS.values())
    return "\n".join(_table(["way", "what it does"], rows))


def _machine(results: Results) -> Iterator[str]:
    yield f"Measured on {machine_line(results)}, at commit {results.commit}, by `{results.command}`."
    yield f"Tools: {tools_line(results)}."


def _result(results: Results) -> Iterator[str]:
    for standing, cases in summary.in_short(results).items():
        texts = [
            f"{case} ({', '.join(f'{row.project} {times(row.ratio)}' for row in found)})"
            for case, found in cases.items()
        ]
        if texts:
            yield textwrap.fill(
                f"- **nox-pex is {standing}**: {'; '.join(texts)}.",
                width=120,
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )


def _summary(results: Results) -> Iterator[str]:
    rows = [
        [
            row.case,
            row.project,
            shown(middle(row.ours)),
            f"{shown(middle(row.best))} ({row.other})",
            times(row.ratio),
            row.verdict,
        ]
        for row in summary.rows(results)
    ]
    if rows:
        head = ["case", "project", "nox-pex", "best other way", "nox-pex ÷ other", ""]
        yield from _table(head, rows)


def _goals(results: Results) -> Iterator[str]:
    rows = []
    for goal in goals.all_goals(results):
        if goal.measured is None:
            continue
        wanted = f"{goal.sense} {goal.bound:g} {goal.unit}"
        rows.append([goal.case, wanted, goal.written, "yes" if goal.met else "**no**", goal.detail])
    if rows:
        yield from _table(["case", "goal", "measured", "reached", ""], rows)


def _builds(results: Results) -> Iterator[str]:
    subjects = [NOX_PEX, *builds.SETTINGS, *WAYS, builds.COPY, builds.EMPTY]
    yield from _compared(results, builds.PIECE, subjects=subjects, cases=builds.CASES, against=NOX_PEX)


def _boots(results: Results) -> Iterator[str]:
    subjects = [NOX_PEX, boots.UNPACKED, boots.VENV, *WAYS]
    yield from _compared(results, boots.PIECE, subjects=subjects, cases=_BOOT_CASES, against=NOX_PEX)


def _shapes(results: Results) -> Iterator[str]:
    subjects = [one.key.subject for one in results.among(shapes.PIECE)]
    yield from _compared(results, shapes.PIECE, subjects=subjects, cases=_SHAPE_CASES, against=shapes.DEFAULT)


def _compared(
    results: Results, piece: str, *, subjects: Sequence[str], cases: Mapping[str, str], against: str
) -> Iterator[str]:
    """One table for each project: a row for each subject, a column for each case.

    Cells have the median, and the ratio to the subject `against`.
    """
    for project in results.projects(piece):
        seen = {one.key.case for one in results.among(piece, project)}
        columns = [case for case in cases if case in seen]
        rows = []
        for subject in dict.fromkeys(subjects):
            found = [(results.find(piece, project, case, subject), case) for case in columns]
            if any(one for one, _ in found):
                cells = [_cell(one, results.find(piece, project, case, against)) for one, case in found]
                rows.append([f"**{subject}**" if subject == against else subject, *cells])
        yield f"**{project}** ({_SIZES.get(project, 'a project')})"
        yield ""
        yield from _table(["", *(cases[case] for case in columns)], rows)
        yield ""


def _cell(series: Series | None, base: Series | None) -> str:
    if series is None:
        return ""
    if not series.values:
        return "fails"
    text = shown(middle(series), series.unit)
    if series is base or base is None:
        return text
    return f"{text} ({times(ratio(series, base))} ×)"


def _starts(results: Results) -> Iterator[str]:
    """The choices that people have for the first start, with that of shiv and of a plain virtual environment."""
    zipapp = 'execution-mode = "zipapp"'
    choices = (
        (f"{NOX_PEX}, the default", boots.PIECE, NOX_PEX),
        (f"{NOX_PEX}, `{zipapp}`", shapes.PIECE, zipapp),
        (f"{NOX_PEX}, unpacked at deployment", boots.PIECE, boots.UNPACKED),
        ("shiv", boots.PIECE, "shiv"),
        (boots.VENV, boots.PIECE, boots.VENV),
    )
    projects = [project for project in results.projects(boots.PIECE) if project in _SIZES]
    rows = []
    for text, piece, subject in choices:
        found = [
            results.find(piece, project, case, subject) for project in projects for case in (boots.COLD, boots.WARM)
        ]
        if any(found):
            rows.append([text, *(shown(middle(one)) for one in found)])
    if rows:
        yield from _table(["", *(f"{project}, {kind}" for project in projects for kind in ("cold", "warm"))], rows)


def _verify(results: Results) -> Iterator[str]:
    yield from _compared(
        results, proof.PIECE, subjects=[NOX_PEX, proof.FLOOR], cases={"verify": "verify"}, against=proof.FLOOR
    )


def _images(results: Results) -> Iterator[str]:
    subjects = [one.key.subject for one in results.among(images.PIECE)]
    against = f"{NOX_PEX}, {images.FORMS[0]}"
    yield from _compared(results, images.PIECE, subjects=subjects, cases=images.CASES, against=against)


def _pushes(results: Results) -> Iterator[str]:
    for project in results.projects(pushes.PIECE):
        subjects = list(dict.fromkeys(one.key.subject for one in results.among(pushes.PIECE, project)))
        rows = []
        for subject in subjects:
            cells = []
            for case in pushes.CASES:
                seconds = results.find(pushes.PIECE, project, case, subject)
                sent = results.find(pushes.PIECE, project, f"{case}-sent", subject)
                cells.append(f"{shown(middle(seconds))}, {_kilobytes(middle(sent))}")
            rows.append([f"{project}: {subject}", *cells])
        yield from _table(["", *pushes.CASES.values()], rows)
        yield ""


def _kilobytes(size: float | None) -> str:
    return "-" if size is None else f"{size / 1e3:,.0f} kB"


def _large(results: Results) -> Iterator[str]:
    rows = []
    for project in results.projects(large.PIECE):
        for case, text in large.CASES.items():
            ours = results.find(large.PIECE, project, case, NOX_PEX)
            floor = next((results.find(large.PIECE, project, case, name) for name in large.floors(case)), None)
            peak = results.find(large.PIECE, project, f"{case}-memory", NOX_PEX)
            if ours is not None:
                described = large.PROJECTS[project].text if project in large.PROJECTS else project
                limit = f"{shown(middle(floor))} ({floor.key.subject})" if floor is not None else ""
                rows.append([described, text, shown(middle(ours)), limit, shown(middle(peak), "bytes")])
    if rows:
        yield from _table(["binary", "case", "nox-pex", "lower limit", "memory of nox-pex"], rows)


def _scale(results: Results) -> Iterator[str]:
    rows = []
    for case, counts in (
        ("binaries", scale.BINARIES),
        ("sources", scale.SOURCES),
        ("distributions", scale.DISTRIBUTIONS),
    ):
        found = [(f"{count:,}", results.find(scale.PIECE, "", case, str(count))) for count in counts]
        noun = "source files" if case == "sources" else case
        rows += [[f"{count} {noun}", shown(middle(one))] for count, one in found if one is not None]
    if rows:
        yield from _table(["project with", "`nox -s pex`, nothing changed"], rows)


def _library(results: Results) -> Iterator[str]:
    labels = {"list": "`nox --list`", "idle": "`nox -s pex`, nothing changed", "import": "import of"}
    rows = [
        [
            labels[one.key.case],
            f"{one.key.subject}, {one.key.project}" if one.key.project else one.key.subject,
            shown(middle(one)),
            str(len(one.values)),
        ]
        for one in results.among(library.PIECE)
        if one.key.case in labels
    ]
    if rows:
        yield from _table(["", "", "median", "runs"], rows)


def _memory(results: Results) -> Iterator[str]:
    rows = []
    for project in results.projects(memory.PIECE):
        found = [results.find(memory.PIECE, project, case, NOX_PEX) for case in memory.CASES]
        binary = results.find(boots.PIECE, project, "size", NOX_PEX)
        rows.append([project, shown(middle(binary), "bytes"), *(shown(middle(one), "bytes") for one in found)])
    if rows:
        yield from _table(["project", "size of its binary", *memory.CASES.values()], rows)


def _noticed(results: Results) -> Iterator[str]:
    rows = [
        [check.change, check.expected, check.seen if check.passed else f"**{check.seen}**"] for check in results.noticed
    ]
    if rows:
        yield from _table(["change", "expected", "result"], rows)


def _failures(results: Results) -> Iterator[str]:
    failures = (
        f"- {one.key.project}, {one.key.case}, {one.key.subject}: {one.failure}"
        for one in results.series
        if one.failure
    )
    yield from dict.fromkeys(failures)
    yield from (f"- {failure}" for failure in results.failures)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    yield from (f"| {' | '.join(row)} |" for row in rows)


_SECTIONS: Final[Mapping[str, Callable[[Results], Iterator[str]]]] = {
    "machine": _machine,
    "result": _result,
    "summary": _summary,
    "goals": _goals,
    "build": _builds,
    "boot": _boots,
    "starts": _starts,
    "verify": _verify,
    "image": _images,
    "push": _pushes,
    "shape": _shapes,
    "scale": _scale,
    "large": _large,
    "library": _library,
    "memory": _memory,
    "noticed": _noticed,
    "failures": _failures,
}
