"""The cost of nox-pex if there is nothing to do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from benchmarks.bench import Bench
from benchmarks.builds import EMPTY
from benchmarks.checkout import EMPTY_NOXFILE
from benchmarks.execution import Step
from benchmarks.results import NOX_PEX, Key

PIECE: Final = "library"
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
_CASES: Final = ("list", "idle", "import")
_ROUNDS: Final = 15
_QUICK_ROUNDS: Final = 5
_IMPORTS: Final = (("nox", "import nox"), ("nox and nox-pex", "import nox, nox_pex"))


def measure(bench: Bench) -> None:
    """Measure the wanted cases."""
    if bench.wanted.has(PIECE, *_CASES):
        _nothing_to_do(bench, bench.projects("hello", "app"))


def _nothing_to_do(bench: Bench, projects: Sequence[str]) -> None:
    """Measure runs that take a fraction of a second. They take turns, over many rounds."""
    built = {project: bench.checkout(project, PIECE) for project in projects if bench.wanted.has(PIECE, "idle")}
    places = {}
    for project, checkout in built.items():
        bench.build(checkout, PIECE)
        size = (checkout.root / "dist/service.pex").stat().st_size
        bench.recorder.add(Key(piece=PIECE, project=project, case="size", subject=NOX_PEX), size, unit="bytes")
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
        ("", "list", WITHOUT, listing, places["without"]),
        ("", "list", NOX_PEX, listing, places["with"]),
        ("", "idle", EMPTY, building, places["empty"]),
        *((project, "idle", NOX_PEX, building, checkout.root) for project, checkout in built.items()),
        *(
            ("", "import", name, Step(name="python", argv=(sys.executable, "-c", code)), places["empty"])
            for name, code in _IMPORTS
        ),
    ]
    rounds = bench.wanted.at_most(_QUICK_ROUNDS if bench.wanted.quick else _ROUNDS)
    bench.say(f"library: {rounds} rounds")
    for number in range(rounds + 1):
        for project, case, subject, step, cwd in (run for run in runs if bench.wanted.has(PIECE, run[1])):
            label = f"{PIECE}.{project}.{case}.{subject}"
            timed = bench.runner.run([step], cwd=cwd, env=bench.own_environ(), label=label)
            if number:  # the first round writes bytecode
                key = Key(piece=PIECE, project=project, case=case, subject=subject)
                bench.recorder.add(key, timed.seconds, failure=timed.failure)
