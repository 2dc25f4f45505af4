"""`python -m benchmarks`: what `nox -s bench` runs."""

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


def main(words: Sequence[str]) -> int:
    """Measure and write; gives an exit status."""
    options = _parser().parse_args(words)
    if options.render:
        render.everything(results.read(LATEST), root=bench.ROOT)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that nothing is left running
    command = shlex.join(["nox", "-s", "bench", *(["--", *words] if words else [])])
    unfinished = options.home / "unfinished.json"
    for done in _measured(options, command=command):
        results.write(unfinished, done)  # what a run that breaks off has measured by then is not lost
    partial = bool(options.quick or options.only or options.project)
    if options.merge:
        done = results.merged(results.read(LATEST), done)
    file = LATEST if options.merge or not partial else options.home / "partial.json"
    results.write(file, done)
    unfinished.unlink()
    _say(render.text(done))
    if file == LATEST:
        render.everything(done, root=bench.ROOT)
    _say(f"written to {file}")
    return 0


def _measured(options: argparse.Namespace, *, command: str) -> Iterator[results.Results]:
    """What has been measured, after each piece."""
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
    """The boots are of what the builds have left."""
    boots.measure(run, builds.measure(run))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest project, the main cases, two rounds")
    parser.add_argument("--only", action="append", default=[], metavar="PIECE", help="a piece or a case of it")
    parser.add_argument("--project", action="append", default=[], metavar="NAME", help="hello, app or data")
    parser.add_argument("--rounds", type=int, help="at most so many rounds")
    parser.add_argument("--merge", action="store_true", help="put what is measured into the results that are there")
    parser.add_argument("--home", type=Path, default=_HOME, metavar="DIR", help="for tools, logs and partial results")
    parser.add_argument("--render", action="store_true", help="draw tables and chart again, and measure nothing")
    return parser


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # this is a program


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
