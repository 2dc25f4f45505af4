"""The parts of the benchmark that do not measure: figures, goals, tables, the chart, and the commands of each way."""

from __future__ import annotations

import itertools
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import (
    boots,
    builds,
    chart,
    figures,
    goals,
    library,
    noticed,
    render,
    results,
    scale,
    shapes,
    summary,
    tables,
)
from benchmarks.competitors import BUNDLE, PLAIN_PEX, WAYS
from benchmarks.execution import clean_environ, reason
from benchmarks.results import NOX_PEX, Check, Key, Results, Series

ROOT = Path(__file__).resolve().parents[2]
MACHINE = results.Machine(cpu="A <fast> CPU", cores=2, memory=24 * 2**30, system="Linux", python="3.11.7")


def series(piece: str, project: str, case: str, subject: str, *samples: float | None) -> Series:
    unit: results.Unit = "bytes" if case == "size" or case.endswith("memory") else "s"
    key = Key(piece=piece, project=project, case=case, subject=subject)
    return Series(key=key, samples=list(samples), unit=unit)


def some(*more: Series) -> Results:
    measured = [
        series("build", "hello", "warm", NOX_PEX, 3.0, 4.0, 3.5),
        series("build", "hello", "warm", "2019 recipe", 21.0, 28.0, 28.0),
        series("build", "hello", "edit", NOX_PEX, 0.5, 0.6),
        series("build", "hello", "edit", "2019 recipe", 20.0, 30.0),
        series("build", "hello", "edit", "shiv", None, None),
        series("build", "app", "edit", NOX_PEX, 1.0),
        series("build", "app", "edit", PLAIN_PEX, 3.0),
        series("build", "app", "bump", NOX_PEX, 2.0, 3.0),
        series("build", "app", "bump", "pex --pylock", 4.0, 4.0),
        series("build", "app", "bump", BUNDLE, 1.0, 1.0),
        series("build", "app", "edit", "pex --pex-repository", 0.9),
        series("build", "app", "edit", builds.COPY, 0.6),
        series("boot", "app", "warm-boot", NOX_PEX, 0.5),
        series("boot", "app", "warm-boot", boots.VENV, 0.5),
        series("boot", "app", "size", NOX_PEX, 63_400_000.0),
        *more,
    ]
    return Results(
        machine=MACHINE,
        tools={"nox": "1", "pex": "2"},
        commit="abc",
        date="2026-11-21",
        command="nox -s bench",
        series=measured,
        noticed=[Check(change="an edit", expected="rebuilt", seen="unchanged")],
    )


def goal_of(measured: Results, case: str) -> goals.Goal:
    return next(goal for goal in goals.all_goals(measured) if case in goal.case)


def test_the_ratio_is_the_median_of_the_ratios_of_the_rounds() -> None:
    slow, fast = series("", "", "", "", 10.0, 40.0, 9.0), series("", "", "", "", 1.0, 2.0, 3.0)
    assert figures.ratio(slow, fast) == 10.0


def test_a_round_that_failed_for_one_way_counts_for_no_way() -> None:
    slow, fast = series("", "", "", "", None, 40.0, 9.0), series("", "", "", "", 1.0, 2.0, None)
    assert figures.ratio(slow, fast) == 20.0
    assert figures.middle(slow) == 24.5
    assert figures.ratio(series("", "", "", "", None), fast) is None
    assert figures.ratio(None, fast) is None


def test_figures_have_three_significant_digits_at_most() -> None:
    assert [figures.shown(value) for value in (0.0123, 0.194, 2.345, 23.45, None)] == [
        "0.012 s",
        "0.19 s",
        "2.35 s",
        "23.4 s",
        "-",
    ]
    assert figures.shown(63_400_000, "bytes") == "63.4 MB"
    assert [figures.times(value) for value in (1.044, 4.44, 23.4, None)] == ["1.04", "4.4", "23", "-"]


def test_a_goal_is_judged_by_what_was_measured() -> None:
    reached, missed = goal_of(some(), "known lock, hello: 2019 recipe"), goal_of(some(), "`--pylock`, its defaults")
    assert reached.met
    assert reached.text == "goal ≥ 6 ×, measured 7.0 ×"
    assert missed.met is False
    assert missed.text == "goal ≥ 4 ×, measured 3.00 ×"
    assert goal_of(some(), "`nox --list`").met is None


def test_the_fastest_pex_is_the_one_that_counts() -> None:
    fastest = goal_of(some(), "changed, app: the fastest pex")
    assert (fastest.detail, fastest.measured, fastest.met) == ("pex --pex-repository", 0.9, False)


def test_a_bump_is_compared_with_the_fastest_other_way_to_one_file() -> None:
    goal = goal_of(some(), "one dependency bumped, app")
    assert (goal.measured, goal.detail, goal.met) == (0.625, "pex --pylock", True)


def test_a_first_build_is_compared_with_poetry_and_with_pex_from_its_environment() -> None:
    times = {NOX_PEX: 3.0, BUNDLE: 2.0, "pex --venv-repository": 4.0, "pex --pylock": 1.0}
    measured = some(*(series("build", "hello", "new", name, seconds) for name, seconds in times.items()))
    poetry, pex = (
        goal_of(measured, "new lock, hello: nox-pex ÷ Poetry"),
        goal_of(measured, "new lock, hello: nox-pex ÷ the"),
    )
    assert (poetry.measured, poetry.met) == (1.5, True)
    assert (pex.measured, pex.detail) == (0.75, "pex --venv-repository")


def test_a_larger_file_may_take_longer_to_check() -> None:
    measured = some(
        series("large", "500 MB", "unchanged", NOX_PEX, 0.29, 0.30, 0.31),
        series("large", "500 MB", "unchanged", builds.EMPTY, 0.20, 0.20, 0.20),
        series("large", "500 MB", "size", NOX_PEX, 520e6),
    )
    goal = goal_of(measured, "nothing changed, 500 MB")
    assert goal.text == "goal ≤ 0.36 s, measured 0.30 s"
    assert goal.detail == "520.0 MB; three empty sessions take 0.20 s"
    assert goal_of(some(), "nothing changed, 500 MB").measured is None


def test_the_largest_memory_of_all_cases_counts() -> None:
    peaks = {"build-memory": 90e6, "verify-memory": 160e6}
    goal = goal_of(
        some(*(series("large", "1.5 GB", case, NOX_PEX, peak) for case, peak in peaks.items())),
        "own processes, 1.5 GB",
    )
    assert (goal.detail, goal.text, goal.met) == ("verify", "goal ≤ 150 MB, measured 160.0 MB", False)


def test_the_summary_names_who_is_faster_and_why() -> None:
    lost = series("build", "hello", "bump", NOX_PEX, 4.0), series("build", "hello", "bump", "shiv", 2.0)
    even = series("boot", "app", "warm-boot", "shiv", 0.49)
    rows = {(row.case, row.project): row for row in summary.rows(some(*lost, even))}
    assert rows["one dependency bumped", "app"].verdict == "nox-pex is faster"
    assert rows["later starts", "app"].verdict == "as fast"
    slower = rows["one dependency bumped", "hello"]
    assert slower.verdict == "**shiv is faster**: it checks nothing"
    assert (slower.other, slower.ratio) == ("shiv", 2.0)
    assert ("one source file changed", "hello") in rows
    assert rows["one source file changed", "hello"].other == "2019 recipe"  # the other one failed


def test_the_result_names_each_case_once_by_who_is_faster() -> None:
    lost = series("build", "hello", "bump", NOX_PEX, 4.0), series("build", "hello", "bump", "shiv", 2.0)
    text = tables.sections(some(*lost, series("boot", "app", "warm-boot", "shiv", 0.49)))["result"]
    assert max(map(len, text.splitlines())) <= 120
    faster, even, slower = text.replace("\n  ", " ").splitlines()
    assert faster == (
        "- **nox-pex is faster**: first build of a known lock (hello 0.14); one source file changed (hello 0.02); "
        "one dependency bumped (app 0.62)."
    )
    assert even == "- **nox-pex is as fast**: later starts (app 1.02)."
    assert slower == "- **nox-pex is slower**: one source file changed (app 1.11); one dependency bumped (hello 2.00)."


def test_every_way_but_nox_pex_says_what_it_does_not_do() -> None:
    assert {way.name for way in WAYS.values() if way.is_file and not way.catch} == {NOX_PEX}


def test_the_goal_of_the_cold_boot_is_measured_against_the_fastest_single_file() -> None:
    boot = [
        series("shape", "app", "cold-boot", shapes.DEFAULT, 4.0),
        series("shape", "app", "cold-boot", "compress = false", 3.2),
        series("shape", "app", "cold-boot", 'layout = "loose"', 1.0),
    ]
    cold = goal_of(some(*boot), "cold boot of the single file, app")
    assert (cold.measured, cold.detail) == (1.25, "`compress = false`")


def test_the_source_scan_is_the_time_that_more_files_add() -> None:
    counts = zip(scale.SOURCES, (0.2, 0.23, 0.5), strict=True)
    measured = some(*(series("scale", "", "sources", str(count), seconds) for count, seconds in counts))
    scan = goal_of(measured, "source scan")
    assert scan.measured == pytest.approx(0.3)
    assert scan.detail == "1,000 files add 0.030 s"
    assert scan.text == "goal < 0.5 s, measured 0.30 s"


def test_the_page_has_every_subject_and_every_failure() -> None:
    measured = some(series("library", "", "list", library.WITHOUT, 0.1))
    measured.series[4].failure = "shiv: exit status 1: no"
    page = tables.page(measured)
    assert "| **nox-pex** | 3.50 s | 0.55 s |" in page
    assert "| 2019 recipe | 28.0 s (7.0 ×) | 25.0 s (45 ×) |" in page
    assert "| shiv |  | fails |" in page
    assert "- hello, edit, shiv: shiv: exit status 1: no" in page
    assert "63.4 MB" in page
    assert "| an edit | rebuilt | **unchanged** |" in page


def test_the_chart_is_xml_with_every_label() -> None:
    measured = some()
    root = ET.fromstring(chart.svg(measured))  # noqa: S314  # text that this package wrote
    texts = {"".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")}
    for group in chart.groups(measured):
        assert group.title in texts
        assert {bar.subject for bar in group.bars} | {bar.label for bar in group.bars} <= texts
    assert tables.machine_line(measured) in texts
    assert "0.55 s" in texts
    assert "25.0 s  (45 ×)" in texts


def test_every_bar_is_within_the_chart() -> None:
    root = ET.fromstring(chart.svg(some()))  # noqa: S314  # text that this package wrote
    width = float(root.attrib["width"])
    for bar in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(bar.attrib["width"]) > 0
        assert float(bar.attrib["x"]) + float(bar.attrib["width"]) < width - 100


def test_the_labels_of_the_scale_do_not_overlap() -> None:
    for seconds in (0.002, 0.4):
        text = chart.svg(some(series("build", "app", "edit", "shiv", seconds)))
        root = ET.fromstring(text)  # noqa: S314  # text that this package wrote
        labels = [each for each in root.iter("{http://www.w3.org/2000/svg}text") if each.get("text-anchor") == "middle"]
        places = [int(each.get("x") or 0) for each in labels]
        assert len(places) > 1
        assert min(right - left for left, right in itertools.pairwise(places)) >= 44


def test_a_chart_without_results_is_valid_xml() -> None:
    measured = some()
    measured.series = []
    ET.fromstring(chart.svg(measured))  # noqa: S314  # text that this package wrote


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    results.write(tmp_path / "results/latest.json", some())
    assert results.read(tmp_path / "results/latest.json") == some()


def test_newer_results_replace_all_older_ones_of_the_same_case() -> None:
    newer = some()
    newer.series = [series("build", "hello", "edit", NOX_PEX, 9.0)]
    both = results.merged(some(), newer)
    found = both.find("build", "hello", "edit", NOX_PEX)
    assert found is not None
    assert found.samples == [9.0]
    assert both.find("build", "hello", "edit", "2019 recipe") is None
    assert both.find("build", "hello", "warm", NOX_PEX) is not None
    assert both.find("build", "app", "edit", NOX_PEX) is not None


def test_merged_results_know_which_pieces_are_finished() -> None:
    older, newer = some(), some()
    older.finished, newer.finished = ["builds", "verify"], ["verify", "scale"]
    assert results.merged(older, newer).finished == ["builds", "verify", "scale"]


def test_results_of_another_commit_are_refused() -> None:
    other = some()
    other.commit = "def"
    with pytest.raises(ValueError, match="differ in their commit: abc and def"):
        results.merged(some(), other)


def test_tables_are_written_between_their_marks_and_nothing_else_changes() -> None:
    document = "before\n<!-- bench: goals -->old<!-- end -->\nafter\n"
    filled = render.filled(document, {"goals": "new"})
    assert filled == "before\n<!-- bench: goals -->\n\nnew\n\n<!-- end -->\nafter\n"
    assert render.filled(filled, {"goals": "new"}) == filled
    with pytest.raises(ValueError, match="no table 'goals'"):
        render.filled(document, {})


def test_the_documentation_has_a_place_for_every_table() -> None:
    document = (ROOT / "docs/benchmarks.md").read_text("utf-8")
    parts = {**tables.sections(some()), "ways": tables.competitors()}
    assert {name for name in parts if f"<!-- bench: {name} -->" not in document} == set()
    render.filled(document, parts)


def test_the_verdict_is_read_from_the_output_of_nox_pex() -> None:
    assert noticed.verdict("nox > pex: rebuilding service: main.py changed") == "rebuilt"
    assert noticed.verdict("nox > pex: building service: not built yet") == "rebuilt"
    assert noticed.verdict("nox > pex: service unchanged, 4.7 MB") == "unchanged"
    assert noticed.verdict("nox > error") == "unknown output"


def test_a_failure_is_reported_by_the_line_of_the_error() -> None:
    assert reason("Resolving\nERROR: no such wheel\nbye\n", 2) == "exit status 2: ERROR: no such wheel"
    assert reason("", 1) == "exit status 1: no output"


def test_no_variable_of_the_session_or_the_user_changes_what_is_measured() -> None:
    environ = {
        "PATH": "/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "VIRTUAL_ENV": "/v",
        "NOX_CURRENT_SESSION": "bench",
        "POETRY_VIRTUALENVS_CREATE": "false",
        "POETRY_PYPI_MIRROR_URL": "https://index.example",
        "PIP_INDEX_URL": "https://index.example",
    }
    clean = clean_environ(environ)
    assert clean.keys() - {"PYTHONHASHSEED"} == {"PATH", "POETRY_PYPI_MIRROR_URL", "PIP_INDEX_URL"}
    assert clean["PATH"].endswith("/bin")


def test_the_committed_documents_show_the_committed_results() -> None:
    latest = ROOT / "benchmarks/results/latest.json"
    if not latest.exists():
        pytest.skip("no results are committed")
    measured = results.read(latest)
    document = (ROOT / "docs/benchmarks.md").read_text("utf-8")
    remedy = "run `nox -s bench -- --render`"
    assert (latest.with_suffix(".md")).read_text("utf-8") == render.text(measured), remedy
    assert (ROOT / "docs/benchmark.svg").read_text("utf-8") == chart.svg(measured), remedy
    assert document == render.filled(document, {**tables.sections(measured), "ways": tables.competitors()}), remedy
