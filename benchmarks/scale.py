"""The time of a run with nothing to do, as a project grows: binaries, source files, distributions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks import memory, synthetic
from benchmarks.bench import Bench
from benchmarks.checkout import Checkout
from benchmarks.results import Key

PIECE: Final = "scale"
BINARIES: Final = (1, 10, 100)
SOURCES: Final = (100, 1_000, 10_000)
DISTRIBUTIONS: Final = (10, 100, 300)
MANY_BINARIES: Final = f"{max(BINARIES)} binaries"
MANY_DISTRIBUTIONS: Final = f"{max(DISTRIBUTIONS)} distributions"
_MANY: Final = tuple(synthetic.Distribution(name=f"many-{number:03}") for number in range(max(DISTRIBUTIONS)))
_ROUNDS: Final = 7

_BINARY: Final = """
[tool.nox-pex.binary.b{number}]
script = "uvicorn"
"""
_MODULE: Final = '''\
"""Module {number} of many."""


def answer(question: str) -> str:
    """Answer a question with the number of this module."""
    return f"{{question}}: {number}" + "{filling}"
'''


def measure(bench: Bench) -> None:
    """Measure the wanted cases. Each size of a project has a separate checkout."""
    if bench.wanted.quick:
        return
    if bench.wanted.has(PIECE, "binaries"):
        places = {count: _binaries(bench, count) for count in BINARIES}
        memory.watch(bench, places[max(BINARIES)], MANY_BINARIES, ("build", "edit"))
        _measure(bench, "binaries", places)
    if bench.wanted.has(PIECE, "sources"):
        _measure(bench, "sources", {count: _sources(bench, count) for count in SOURCES})
    if bench.wanted.has(PIECE, "distributions"):
        with synthetic.index(bench.work / "index", _MANY) as url:
            places = {count: _distributions(bench, count, url) for count in DISTRIBUTIONS}
            memory.watch(bench, places[max(DISTRIBUTIONS)], MANY_DISTRIBUTIONS, memory.CASES)
            for count in DISTRIBUTIONS[:-1]:
                bench.build(places[count], f"{PIECE}.distributions.{count}")
        _measure(bench, "distributions", places)


def _measure(bench: Bench, case: str, places: Mapping[int, Checkout]) -> None:
    for count, checkout in places.items():
        bench.say(f"scale: {case}: building {count}")
        bench.build(checkout, f"{PIECE}.{case}.{count}")
    rounds = bench.wanted.at_most(_ROUNDS)
    bench.say(f"scale: {case}: {rounds} rounds")
    for _ in range(rounds):
        for count, checkout in places.items():
            label = f"{PIECE}.{case}.{count}.unchanged"
            timed = bench.runner.run([bench.nox("-s", "pex")], cwd=checkout.root, env=bench.own_environ(), label=label)
            key = Key(piece=PIECE, project="", case=case, subject=str(count))
            bench.recorder.add(key, timed.seconds, failure=timed.failure)


def _binaries(bench: Bench, count: int) -> Checkout:
    checkout = bench.checkout("hello", f"{PIECE}.binaries.{count}")
    with (checkout.root / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.writelines(_BINARY.format(number=number) for number in range(1, count))
    return checkout


def _sources(bench: Bench, count: int) -> Checkout:
    checkout = bench.checkout("hello", f"{PIECE}.sources.{count}")
    filling = "x" * 2_500
    for number in range(count - 1):
        package = checkout.root / "many" / f"part{number // 100}"
        if number % 100 == 0:
            package.mkdir(parents=True)
        text = _MODULE.format(number=number, filling=filling)
        (package / f"module{number}.py").write_text(text, "utf-8")
    (checkout.root / "many/__init__.py").write_text("", "utf-8")
    checkout.commit()
    return checkout


def _distributions(bench: Bench, count: int, url: str) -> Checkout:
    """A project with `count` small dependencies, which Poetry locks from an index on this machine."""
    template = bench.work / f"many{count}"
    synthetic.write_project(template, name="many", distributions=_MANY[:count], url=url)
    return synthetic.locked(bench, template)
