"""Run the benchmark: `nox -s bench`, or `python -m benchmarks`."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks import bench, boots, builds, execution, library, machine, noticed, render, results, scale, shapes

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
    for measured in _measured(options, command=command):
        results.write(unfinished, measured)  # if the run is interrupted, its samples so far are kept
    partial = bool(options.quick or options.only or options.project)
    if options.merge:
        measured = results.merged(results.read(LATEST), measured)
    file = LATEST if options.merge or not partial else options.home / "partial.json"
    results.write(file, measured)
    unfinished.unlink()
    _say(render.text(measured))
    if file == LATEST:
        render.everything(measured, root=bench.ROOT)
    _say(f"written to {file}")
    return 0


def _measured(options: argparse.Namespace, *, command: str) -> Iterator[results.Results]:
    """The results so far, after each piece of the benchmark."""
    recorder = results.Recorder()
    wanted = bench.Wanted(
        rounds=options.rounds,
        quick=options.quick,
        only=frozenset(options.only),
        projects=frozenset(options.project),
    )
    tools = bench.provide(options.home, say=_say)
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
        for measure in (_builds_and_boots, shapes.measure, library.measure, scale.measure, noticed.measure):
            try:
                measure(run)
            except bench.FailedError as error:  # the other pieces do not depend on it
                recorder.failures.append(str(error))
                _say(str(error))
            yield results.Results(
                machine=machine.machine(),
                tools=bench.versions(),
                commit=machine.commit(bench.ROOT),
                date=machine.today(),
                command=command,
                series=recorder.series,
                noticed=recorder.noticed,
                failures=recorder.failures,
            )


def _builds_and_boots(run: bench.Bench) -> None:
    """Measure the builds, and then boot the binaries that they built."""
    boots.measure(run, builds.measure(run))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest project, the main cases, two rounds")
    parser.add_argument("--only", action="append", default=[], metavar="PIECE", help="a piece, or a case of one")
    parser.add_argument("--project", action="append", default=[], metavar="NAME", help="hello, app or data")
    parser.add_argument("--rounds", type=int, help="the largest number of rounds")
    parser.add_argument("--merge", action="store_true", help="merge the samples into the existing results")
    parser.add_argument("--home", type=Path, default=_HOME, metavar="DIR", help="for tools, logs and partial results")
    parser.add_argument("--render", action="store_true", help="only write the tables and the chart again")
    return parser


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # this is a program


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
