"""The time of `verify`, compared with what it must do at least: Poetry's fresh install, and then plain pex."""

from __future__ import annotations

import shutil
from typing import Final

from benchmarks.bench import Bench
from benchmarks.checkout import Checkout
from benchmarks.competitors import Job, fresh_install_and_plain_pex
from benchmarks.execution import Timed
from benchmarks.results import NOX_PEX, Key

PIECE: Final = "verify"
FLOOR: Final = "Poetry's install, then plain pex"
_ROUNDS: Final = {"hello": 3, "app": 2}


def measure(bench: Bench) -> None:
    """Measure the wanted projects. In each round, both do the same work, with cached downloads and nothing else."""
    if not bench.wanted.has(PIECE):
        return
    for project in bench.projects(*_ROUNDS):
        ours, theirs = bench.checkout(project, PIECE), bench.checkout(project, f"{PIECE} floor")
        bench.build(ours, f"{PIECE}.{project}.build")
        rounds = bench.wanted.at_most(_ROUNDS[project])
        for number in range(rounds):
            bench.say(f"{PIECE}: {project}: {number + 1} of {rounds}")
            label = f"{PIECE}.{project}"
            timed = bench.runner.run([bench.nox("-s", "verify")], cwd=ours.root, env=bench.own_environ(), label=label)
            _note(bench, project, NOX_PEX, timed)
            _note(bench, project, FLOOR, _floor(bench, theirs))


def _floor(bench: Bench, checkout: Checkout) -> Timed:
    """Install and build as `verify` does: from cached downloads, into a new environment, with an empty PEX_ROOT."""
    user = f"{PIECE} floor"
    shutil.rmtree(checkout.root / ".venv", ignore_errors=True)
    bench.empty_caches(user)
    env = bench.environ(user, project=checkout.root, inside=True)
    env["POETRY_CACHE_DIR"] = bench.own_environ()["POETRY_CACHE_DIR"]
    steps = fresh_install_and_plain_pex(bench.tools, Job(sources=checkout.sources, greeting="0", lock_changed=True))
    return bench.runner.run(steps, cwd=checkout.root, env=env, label=f"{PIECE}.floor")


def _note(bench: Bench, project: str, subject: str, timed: Timed) -> None:
    key = Key(piece=PIECE, project=project, case="verify", subject=subject)
    steps = timed.steps if len(timed.steps) > 1 else None
    bench.recorder.add(key, timed.seconds, steps=steps, failure=timed.failure)
