"""What the library costs where nothing is to be done, and the memory of its own process where much is."""

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

def tell():
    status = pathlib.Path("/proc/self/status").read_text()
    pathlib.Path(os.environ["BENCH_PEAK"]).write_text(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1])

atexit.register(tell)
from nox.__main__ import main
sys.argv[0] = "nox"
main()
"""
"""Runs Nox, and writes the peak of this process alone (Linux: `VmHWM`) at its end."""

_CASES: Final = ("list", "idle", "import")
_ROUNDS: Final = 15
_QUICK_ROUNDS: Final = 5
_IMPORTS: Final = (("nox", "import nox"), ("nox and nox-pex", "import nox, nox_pex"))


def measure(bench: Bench) -> None:
    """Measure what is wanted of it."""
    if bench.wanted.has(PIECE, *_CASES):
        _at_rest(bench)
    if bench.wanted.has(MEMORY) and not bench.wanted.quick and sys.platform == "linux":
        for project in bench.projects("hello", "data"):
            _memory(bench, project)


def _at_rest(bench: Bench) -> None:
    """Runs that take a fraction of a second, many of them, one kind after the other."""
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
            if number:  # the first one writes bytecode
                key = Key(piece=PIECE, project="", case=case, subject=subject)
                bench.recorder.add(key, timed.seconds, failure=timed.failure)


def _memory(bench: Bench, project: str) -> None:
    """The peak of Nox's own process, in which all of nox-pex runs: a first build, one after an edit, `verify`."""
    checkout = bench.checkout(project, MEMORY)
    bench.forget_locks()
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
