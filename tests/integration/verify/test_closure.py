from __future__ import annotations

from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from nox_pex.verify.archive import Container, Directory, PexWheel, open_pex
from nox_pex.verify.gates import closure
from nox_pex.verify.gates.verdict import Verdict
from nox_pex.verify.pex_distributions import PexDistribution, distributions
from tests.support.workbench import PYTHON, Workbench

POETRY_SAYS = """\
Installing dependencies from lock file

Package operations: 4 installs, 0 updates, 0 removals, 1 skipped

  - Installing idna (3.11)
  - Installing shelf (1.0.0 /srv/libs/shelf)
  - Installing tool.kit (2.0+local.1 4f2a9c1)
  - Installing colorama (0.4.6): Skipped for the following reason: Not required
  - Installing Zope.Interface (7.0 https://index.example/zope.interface-7.0.tar.gz)
"""


def test_what_a_dry_run_says() -> None:
    assert dict(closure.operations(POETRY_SAYS)) == {
        "idna": "3.11",
        "shelf": "1.0.0",
        "tool-kit": "2.0+local.1",
        "zope-interface": "7.0",
    }


def holding(*found: str) -> list[PexDistribution]:
    nothing: Container = Directory(Path())
    return [
        PexDistribution(
            name=canonicalize_name(name),
            version=version,
            wheel=PexWheel(name=f"{name}-{version}-py3-none-any.whl", content=nothing, installed=True),
            dist_info=None,
        )
        for name, _, version in (pin.partition("==") for pin in found)
    ]


def judged(
    found: list[PexDistribution],
    *planned: str,
    project: tuple[str, str | None] | None = None,
    exclude: tuple[str, ...] = (),
) -> Verdict:
    plan = {canonicalize_name(pin.partition("==")[0]): pin.partition("==")[2] for pin in planned}
    return closure.judge(found, plan, project=project, exclude=exclude)


def test_exactly_what_is_planned() -> None:
    verdict = judged(holding("idna==3.11", "a-b==1.0"), "idna==3.11", "A.B==1")
    assert not verdict.problems


def test_missing_extra_and_another_version() -> None:
    verdict = judged(holding("idna==3.10", "pip==24.0"), "idna==3.11", "h11==0.16.0")
    assert verdict.problems == (
        "h11 0.16.0 is missing",
        "idna is 3.10, but Poetry would install 3.11",
        "pip 24.0 is in the binary (.deps/pip-24.0-py3-none-any.whl), but Poetry would not install it",
    )


@pytest.mark.parametrize(("version", "fits"), [("0.4.0", True), (None, True), ("0.5", False)])
def test_the_project_itself(version: str | None, *, fits: bool) -> None:
    assert bool(judged(holding("svc==0.4"), project=("Svc", version)).problems) is not fits
    assert judged([], project=("svc", "0.4")).problems == ("svc 0.4 is missing",)


def test_excluded() -> None:
    assert not judged(holding("idna==3.11"), "idna==3.11", "h11==0.16.0", exclude=("H11<1",)).problems
    assert judged(holding("h11==0.16.0"), "h11==0.16.0", exclude=("h11",)).problems == (
        "h11 0.16.0 is in the binary (.deps/h11-0.16.0-py3-none-any.whl), but `exclude` names it",
    )
    assert not judged(holding("h11==0.16.0"), "h11==0.16.0", exclude=("h11>1",)).problems


def test_one_distribution_twice() -> None:
    (problem,) = judged(holding("idna==3.11", "idna==3.11"), "idna==3.11").problems
    assert problem.startswith("idna is in the binary 2 times")


@pytest.mark.integration
def test_what_poetry_would_install_is_what_was_built(packaged: Workbench, careless: Path) -> None:
    context = packaged.context()
    planned = closure.plan(
        packaged.installed("greeting-cards").selection,
        project=context.project,
        python=PYTHON,
        provisioner=context.provisioner,
        poetry_version=None,
    )
    assert planned == {"idna": "3.11"}
    own = (context.project.name, context.project.version)
    with open_pex(packaged.binary("greeting-cards")) as pex:
        assert not closure.judge(distributions(pex), planned, project=own, exclude=()).problems
    with open_pex(careless) as pex:
        problems = closure.judge(distributions(pex), planned, project=own, exclude=()).problems
    said = "\n".join(problems)
    assert "greeting-cards 0.4.0 is missing" in said
    assert "idna is 3.10, but Poetry would install 3.11" in said
    for stray in ("pip", "pluggy", "setuptools"):
        assert f"\n{stray} " in said
