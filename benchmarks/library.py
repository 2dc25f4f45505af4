"""The cost of nox-pex if there is nothing to do, and the memory of its process if there is much to do."""

from __future__ import annotations

import sys
from typing import Final

from benchmarks.bench import Bench
from benchmarks.builds import EMPTY
from benchmarks.checkout import EMPTY_NOXFILE, Checkout
from benchmarks.execution import Step
from benchmarks.results import NOX_PEX, Key

PIECE: Final = "library"
MEMORY: Final = "memory"
WITHOUT: Final = "the same noxfile without it"

_NOXFILE: Final = """\
import nox
{imported}
nox.options.default_venv_backend = "uv|virtualenv"


@nox.session
def tests(session):
    session.run("pytest")


@nox.session
def lint(session):
    session.run("ruff", "check")

{registered}
"""
_PEAK: Final = """\
import atexit, os, pathlib, re, sys

def write_peak():
    status = pathlib.Path("/proc/self/status").read_text()
    pathlib.Path(os.environ["BENCH_PEAK"]).write_text(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1])

atexit.register(write_peak)
from nox.__main__ import main
sys.argv[0] = "nox"
main()
"""
"""A program that runs Nox, and at its end writes the peak memory of this one process (Linux: `VmHWM`)."""

_CASES: Final = ("list", "idle", "import")
_ROUNDS: Final = 15
_QUICK_ROUNDS: Final = 5
_IMPORTS: Final = (("nox", "import nox"), ("nox and nox-pex", "import nox, nox_pex"))


def measure(bench: Bench) -> None:
    """Measure the wanted cases."""
    if bench.wanted.has(PIECE, *_CASES):
        _nothing_to_do(bench)
    if bench.wanted.has(MEMORY) and not bench.wanted.quick and sys.platform == "linux":
        for project in bench.projects("hello", "data"):
            _memory(bench, project)


def _nothing_to_do(bench: Bench) -> None:
    """Measure runs that take a fraction of a second. They take turns, over many rounds."""
    built = bench.checkout("hello", PIECE)
    bench.build(built, PIECE)
    places = {}
    for name, text in (
        ("without", _NOXFILE.format(imported="", registered="")),
        ("with", _NOXFILE.format(imported="import nox_pex\n", registered="\nnox_pex.register()")),
        ("empty", EMPTY_NOXFILE),
    ):
        places[name] = bench.work / PIECE / name
        places[name].mkdir(parents=True)
        (places[name] / "noxfile.py").write_text(text, "utf-8")
    listing, building = bench.nox("--list"), bench.nox("-s", "pex")
    runs = [
        ("list", WITHOUT, listing, places["without"]),
        ("list", NOX_PEX, listing, places["with"]),
        ("idle", EMPTY, building, places["empty"]),
        ("idle", NOX_PEX, building, built.root),
        *(
            ("import", name, Step(name="python", argv=(sys.executable, "-c", code)), places["empty"])
            for name, code in _IMPORTS
        ),
    ]
    rounds = bench.wanted.at_most(_QUICK_ROUNDS if bench.wanted.quick else _ROUNDS)
    bench.say(f"library: {rounds} rounds")
    for number in range(rounds + 1):
        for case, subject, step, cwd in (run for run in runs if bench.wanted.has(PIECE, run[0])):
            timed = bench.runner.run([step], cwd=cwd, env=bench.own_environ(), label=f"{PIECE}.{case}.{subject}")
            if number:  # the first round writes bytecode
                key = Key(piece=PIECE, project="", case=case, subject=subject)
                bench.recorder.add(key, timed.seconds, failure=timed.failure)


def _memory(bench: Bench, project: str) -> None:
    """Measure the peak memory of the Nox process, in which all of nox-pex runs, in three sessions."""
    checkout = bench.checkout(project, MEMORY)
    bench.clear_lock_caches()
    for case, session, edited in (("build", "pex", False), ("edit", "pex", True), ("verify", "verify", False)):
        if edited:
            checkout.edit(case)
        bench.say(f"memory: {project}: {case}")
        _peak(bench, checkout, project, case, session)


def _peak(bench: Bench, checkout: Checkout, project: str, case: str, session: str) -> None:
    written = bench.work / f"{project}.{case}.peak"
    env = {**bench.own_environ(), "BENCH_PEAK": str(written)}
    step = Step(name="nox", argv=(sys.executable, "-c", _PEAK, "-s", session))
    timed = bench.runner.run([step], cwd=checkout.root, env=env, label=f"{MEMORY}.{project}.{case}")
    peak = int(written.read_text("utf-8")) * 1024 if written.exists() else None
    key = Key(piece=MEMORY, project=project, case=case, subject=NOX_PEX)
    bench.recorder.add(key, None if timed.failure else peak, unit="bytes", failure=timed.failure)
