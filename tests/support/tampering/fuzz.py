"""Runs `verify` on mutated copies of a finished PEX, and collects what must never happen."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.verify.report import VerifyReport, json_text
from tests.support.tampering import catalogue
from tests.support.tampering.mutation import Mutation, UnchangedError
from tests.support.tampering.watch import Watched, watched

MEGABYTE: Final = 1 << 20
MOST_MEMORY: Final = 120 * MEGABYTE
"""Bytes by which a check may grow: Python, with all modules loaded, has 80 MB before it."""

MOST_DISK: Final = 600 * MEGABYTE
"""Bytes of temporary files: the copy of the binary, and the content of its archives."""

_CODES: Final = frozenset(("closure", "integrity", "leak", "not-reproducible", "budget"))
_FAULT: Final = "by a fault of nox-pex"


class Sample(Struct, frozen=True, kw_only=True):
    """A finished PEX at the path `source`, and the function that verifies a copy of it."""

    name: str
    source: Path
    check: Callable[[Path], VerifyReport]


class Finding(Struct, frozen=True, kw_only=True):
    """A mutant that `verify` does not handle: which one, and what happens."""

    sample: str
    mutation: str
    seed: str
    problem: str

    def __str__(self) -> str:
        return f"{self.sample}: {self.mutation}, seed {self.seed}: {self.problem}"


class Fuzzer(Struct, kw_only=True):
    """Runs mutants in the directory `scratch`, counts them, and collects findings."""

    scratch: Path
    mutants: int = 0
    findings: list[Finding] = []

    def run(self, sample: Sample, mutations: Iterable[Mutation], seeds: Iterable[int]) -> None:
        """Verify one mutant for each seed of each mutation."""
        numbers = list(seeds)
        for mutation in mutations:
            for number in numbers[: 1 + len(numbers) // 10] if mutation.heavy else numbers:
                self.run_one(sample, mutation, f"{mutation.name}/{number}")

    def run_one(self, sample: Sample, mutation: Mutation, seed: str) -> None:
        """Verify the mutant that a seed gives, in a child process."""
        path = self.scratch / "mutant.pex"
        try:
            mutation.apply(sample.source, path, Random(seed))  # noqa: S311  # the same mutants in every run
        except UnchangedError:
            return
        else:
            self.mutants += 1
            outcome = watched(lambda: verdict(sample, path))
            self.findings += [
                Finding(sample=sample.name, mutation=mutation.name, seed=seed, problem=problem)
                for problem in _problems(mutation, outcome, exists=os.path.exists(path))  # noqa: PTH110  # odd names
            ]
        finally:
            catalogue.remove(path)


def verdict(sample: Sample, path: Path) -> Any:
    """Verify a PEX, and return the JSON of its report, which is strict; or the code of the error instead of one."""
    try:
        report = sample.check(path)
    except NoxPexError as error:
        return {"refused": error.code}
    return json.loads(json_text(report).encode("utf-8"), parse_constant=_no_json)


def _no_json(constant: str) -> None:
    msg = f"{constant} is no JSON"
    raise ValueError(msg)


def _problems(mutation: Mutation, outcome: Watched, *, exists: bool) -> Iterator[str]:
    if outcome.memory > MOST_MEMORY:
        yield f"needs {outcome.memory // MEGABYTE} MB of memory"
    if outcome.disk > MOST_DISK:
        yield f"needs {outcome.disk // MEGABYTE} MB of disk"
    if outcome.crash:
        yield f"crash: {outcome.crash}"
    elif "refused" in outcome.value:
        if exists or outcome.value["refused"] != "usage":
            yield f"no report, but error {outcome.value['refused']}"
    else:
        yield from _problems_of_report(mutation, outcome.value)


def _problems_of_report(mutation: Mutation, report: Any) -> Iterator[str]:
    failed = {gate["gate"]: gate["failure"] for gate in report["gates"] if gate["failure"] is not None}
    for gate, failure in failed.items():
        if failure["code"] not in _CODES:
            yield f"the gate {gate} says {failure['code']}: {failure['problem']}"
        if _FAULT in failure["problem"]:
            yield f"crash in the gate {gate}: {failure['problem']}"
    if report["passed"] or not failed:
        yield "passes"
    elif mutation.guarded and failed.keys() == {"reproducible"}:
        yield f"only `reproducible` sees it: {failed['reproducible']['problem']}"
