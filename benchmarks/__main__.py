"""Run the benchmark: `nox -s bench`, or `python -m benchmarks`."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import (
    bench,
    boots,
    builds,
    execution,
    images,
    large,
    library,
    machine,
    memory,
    noticed,
    proof,
    pushes,
    render,
    results,
    scale,
    shapes,
)

_HOME: Final = bench.ROOT / ".nox" / "benchmarks"
LATEST: Final = bench.ROOT / "benchmarks" / "results" / "latest.json"


def main(arguments: Sequence[str]) -> int:
    """Measure, and write the results; return the exit status."""
    options = _parser().parse_args(arguments)
    if options.render:
        render.everything(results.read(LATEST), root=bench.ROOT)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends what was started
    command = shlex.join(["nox", "-s", "bench", *(["--", *arguments] if arguments else [])])
    unfinished = options.home / "unfinished.json"
    older = _older(unfinished, command) if options.merge else None
    measured = None
    for newer in _measured(options, command=command, finished=older.finished if older else ()):
        measured = results.merged(older, newer) if older else newer
        results.write(unfinished, measured)  # if the run is interrupted, `--merge` goes on after its last piece
    if measured is None:
        _say("nothing was measured")
        return 1
    partial = bool(options.quick or options.only or options.project)
    file = LATEST if options.merge or not partial else options.home / "partial.json"
    measured.finished = []
    results.write(file, measured)
    unfinished.unlink(missing_ok=True)
    _say(render.text(measured))
    if file == LATEST:
        render.everything(measured, root=bench.ROOT)
    _say(f"written to {file}")
    return 0


def _older(unfinished: Path, command: str) -> results.Results | None:
    """The results to merge into: those of an interrupted run of this commit, or else the latest ones.

    Raises `ValueError` if the latest ones cannot be compared with those of this run.
    """
    newer = _results(results.Recorder(), command=command, finished=())
    interrupted = results.read(unfinished) if unfinished.exists() else None
    if interrupted is not None and interrupted.commit == newer.commit:
        return interrupted
    if not LATEST.exists():
        return None
    latest = results.read(LATEST)
    results.merged(latest, newer)
    return latest


def _results(recorder: results.Recorder, *, command: str, finished: Sequence[str]) -> results.Results:
    return results.Results(
        machine=machine.machine(),
        tools=bench.versions(),
        commit=machine.commit(bench.ROOT),
        date=machine.today(),
        command=command,
        series=recorder.series,
        noticed=recorder.noticed,
        failures=list(recorder.failures),
        finished=list(finished),
    )


def _measured(options: argparse.Namespace, *, command: str, finished: Collection[str]) -> Iterator[results.Results]:
    """The results so far, after each piece of the benchmark that is not among those in `finished`."""
    recorder = results.Recorder()
    wanted = bench.Wanted(
        rounds=options.rounds,
        quick=options.quick,
        only=frozenset(options.only),
        projects=frozenset(options.project),
    )
    tools = bench.provide(options.home, say=_say)
    done: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as work:
        run = bench.Bench(
            work=Path(work).resolve(),
            home=options.home,
            wanted=wanted,
            recorder=recorder,
            runner=execution.Runner(logs=builds.clear(options.home / "logs")),
            tools=tools,
            say=_say,
        )
        bench.prepare(run)
        for name, measure in _pieces(run).items():
            if name in finished:
                continue
            started = time.monotonic()
            try:
                measure(run)
            except Exception as error:  # noqa: BLE001  # the other pieces do not depend on it
                recorder.failures.append(f"{name}: {error}")
                _say(f"{name}: {error}")
            if (seconds := time.monotonic() - started) >= 1:
                _say(f"{name}: took {seconds:.0f} s")
            done.append(name)
            yield _results(recorder, command=command, finished=done)


def _pieces(run: bench.Bench) -> dict[str, Callable[[bench.Bench], None]]:
    """The pieces of the benchmark, by name. Each saves its results when it ends."""
    projects = run.projects("hello", "app", "data")
    return {
        **{f"builds and boots of {project}": partial(_builds_and_boots, project=project) for project in projects},
        proof.PIECE: proof.measure,
        shapes.PIECE: shapes.measure,
        library.PIECE: library.measure,
        memory.PIECE: memory.measure,
        scale.PIECE: scale.measure,
        noticed.PIECE: noticed.measure,
        images.PIECE: images.measure,
        pushes.PIECE: pushes.measure,
        **{f"{large.PIECE}: {name}": partial(large.measure, name=name) for name in large.PROJECTS},
    }


def _builds_and_boots(run: bench.Bench, *, project: str) -> None:
    """Measure the builds of a project, and then boot the binaries that they built."""
    boots.measure(run, project, builds.measure(run, project))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest project, the main cases, two rounds")
    parser.add_argument("--only", action="append", default=[], metavar="PIECE", help="a piece, or a case of one")
    parser.add_argument("--project", action="append", default=[], metavar="NAME", help="hello, app or data")
    parser.add_argument("--rounds", type=int, help="the largest number of rounds")
    parser.add_argument("--merge", action="store_true", help="merge into the results; goes on after an interrupted run")
    parser.add_argument("--home", type=Path, default=_HOME, metavar="DIR", help="for tools, logs and partial results")
    parser.add_argument("--render", action="store_true", help="only write the tables and the chart again")
    return parser


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # this is a program


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
