"""Mutated binaries: `verify` has a verdict on each, in bounded time and memory, and passes none.

`FUZZ_ROUNDS=20` in the environment runs twenty mutants of each kind and sample, and `FUZZ_FIRST=1000` begins with
another seed. A mutant that fails is listed in `FOUND` then.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import Final

import pytest

from nox_pex.distributions.environment import Environment
from nox_pex.verify import run
from nox_pex.verify.background import background
from nox_pex.verify.reference import Reference
from nox_pex.verify.report import VerifyReport
from tests.support import workbench
from tests.support.tampering import catalogue, coherent, pex_tree
from tests.support.tampering.fuzz import Fuzzer, Sample, verdict
from tests.support.tampering.watch import watched
from tests.support.workbench import Workbench

PROJECTS: Final = {
    "packaged": """
[tool.nox-pex.binary.installed]
script = "greet"
sh-boot = false

[tool.nox-pex.binary.packed]
script = "greet"
layout = "packed"

[tool.nox-pex.binary.loose]
script = "greet"
layout = "loose"
""",
    "loose": """
[tool.nox-pex]
extras = ["ini"]

[tool.nox-pex.binary.wheels]
entry-point = "counter:main"
pre-install-wheels = false

[tool.nox-pex.binary.loose-wheels]
entry-point = "counter:main"
layout = "loose"
pre-install-wheels = false
""",
}
"""The fixture projects, and the settings of their binaries."""

SAMPLES: Final = {
    "installed": "packaged",
    "packed": "packaged",
    "loose": "packaged",
    "wheels": "loose",
    "loose-wheels": "loose",
}
"""The binaries, and their projects."""

EACH: Final = [pytest.param(name, marks=[pytest.mark.slow] if name.startswith("loose") else []) for name in SAMPLES]

FOUND: Final = (
    ("installed", "header+digests", 1),
    ("installed", "launcher+digests", 1),
    ("installed", "bootstrap+digests", 1),
    ("installed", "no-bootstrap+digests", 1),
    ("installed", "top-level-file+digests", 1),
    ("installed", "bytecode-of-project+digests", 1),
    ("installed", "bytecode-in-wheel+digests", 1),
    ("installed", "bytecode-in-bootstrap+digests", 1),
    ("installed", "executable-bit+digests", 1),
    ("installed", "unusual-mode+digests", 1),
    ("installed", "empty-directory+digests", 1),
    ("installed", "layout-json+digests", 1),
    ("installed", "record-text", 3),
    ("installed", "info-value+digests", 1),
    ("installed", "info-inner-value+digests", 1),
    ("installed", "info-two-values", 1),
    ("installed", "info-two-values", 3),
    ("installed", "info-two-values+digests", 1),
    ("installed", "info-setting+digests", 2),
    ("installed", "info-flag+digests", 1),
    ("installed", "info-wheel-files", 1),
    ("installed", "info-wheel-files+digests", 1),
    ("installed", "info-nested", 1),
    ("installed", "info-nested+digests", 1),
    ("installed", "info-nested+digests", 2),
    ("installed", "info-repeated-key+digests", 1),
    ("installed", "info-repeated-key+digests", 2),
    ("installed", "info-number+digests", 1),
    ("installed", "info-text", 2),
    ("installed", "version-needed", 1),
    ("wheels", "project-file+digests", 1),
    ("wheels", "info-wheel-files+digests", 1),
    ("wheels", "nested-set-word", 2),
    ("wheels", "nested-flip-many", 2),
    ("wheels", "nested-delete", 1),
    ("wheels", "nested-flag", 2),
    ("wheels", "nested-version-needed", 2),
    ("wheels", "nested-extra-field", 3),
    ("wheels", "nested-added-name", 2),
    ("packed", "bytecode-of-project", 1),
    ("packed", "bytecode-of-project+digests", 1),
    ("packed", "empty-directory", 2),
    ("packed", "empty-directory+digests", 2),
    ("packed", "nested-field-in-both", 3),
)
"""Mutants that once were not handled: the sample, the mutation, and its seed."""

ROUNDS: Final = int(os.environ.get("FUZZ_ROUNDS", "1"))
FIRST: Final = int(os.environ.get("FUZZ_FIRST", "0"))

Once = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="module")
def sample(once: Once, environ: dict[str, str]) -> Iterator[Callable[[str], Sample]]:
    """Build a sample. What it must be is found out once: a second install and a second build."""
    with ExitStack() as stack:
        yield cache(partial(_sample, once, environ, stack))


def _sample(once: Once, environ: dict[str, str], stack: ExitStack, name: str) -> Sample:
    project = SAMPLES[name]

    def fill(home: Path) -> None:
        shutil.copytree(workbench.PROJECTS / project, home)
        text = (home / "pyproject.toml").read_text("utf-8").partition("[tool.nox-pex")[0]
        (home / "pyproject.toml").write_text(text + PROJECTS[project], "utf-8")
        Workbench(root=home, environ=environ).build()

    bench = Workbench(root=once(f"fuzz-{project}", fill), environ=environ)
    context = bench.context()
    reference = Reference(
        target=context.all_targets[name],
        installer=context.installer,
        deep=False,
        stack=stack,
        background=stack.enter_context(background()),
        environment=Environment(path=context.home),
    )
    built = Sample(name=name, source=bench.binary(name), check=partial(_judge, reference))
    assert built.check(built.source).failure is None  # this also finds out all that does not depend on the file
    return built


def _judge(reference: Reference, path: Path) -> VerifyReport:
    return run.judge(path, reference)


@pytest.fixture
def fuzzer(tmp_path: Path) -> Fuzzer:
    return Fuzzer(scratch=tmp_path, findings=[])


def shown(fuzzer: Fuzzer) -> str:
    return "\n".join(map(str, fuzzer.findings))


@pytest.mark.parametrize("name", EACH)
def test_the_model_of_a_pex_is_exact(sample: Callable[[str], Sample], name: str, tmp_path: Path) -> None:
    """Written again, with all digests computed again, a PEX has the same bytes: a mutant has one change."""
    known = sample(name)
    tree = pex_tree.read(known.source).copy()
    coherent.made_coherent(tree)
    tree.write(tmp_path / "copy.pex")
    outcome = watched(lambda: verdict(known, tmp_path / "copy.pex"))
    assert outcome.crash == ""
    assert outcome.value["passed"] is True
    assert outcome.value["sha256"] == known.check(known.source).sha256


@pytest.mark.parametrize("name", EACH)
def test_no_mutant_passes(sample: Callable[[str], Sample], name: str, fuzzer: Fuzzer) -> None:
    known = sample(name)
    fuzzer.run(known, catalogue.mutations(known.source), range(FIRST, FIRST + ROUNDS))
    assert fuzzer.mutants > 80
    assert not fuzzer.findings, shown(fuzzer)


def test_what_is_no_pex_is_refused(sample: Callable[[str], Sample], fuzzer: Fuzzer) -> None:
    fuzzer.run(sample("installed"), catalogue.odd_ones(), range(1))
    assert not fuzzer.findings, shown(fuzzer)


def test_mutants_that_were_not_handled_once_are(sample: Callable[[str], Sample], fuzzer: Fuzzer) -> None:
    for name, kind, seed in FOUND:
        known = sample(name)
        fuzzer.run(known, [m for m in catalogue.mutations(known.source) if m.name == kind], [seed])
    assert fuzzer.mutants > len(FOUND) // 2  # another pex may make a mutation of a seed a change of nothing
    assert not fuzzer.findings, shown(fuzzer)
