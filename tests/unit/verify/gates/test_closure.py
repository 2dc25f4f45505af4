from __future__ import annotations

from typing import cast

import pytest
from packaging.utils import canonicalize_name

from nox_pex.verify.archive import Part, PexWheel
from nox_pex.verify.container import Container
from nox_pex.verify.gates import closure
from nox_pex.verify.gates.verdict import Verdict
from nox_pex.verify.pex_distributions import PexDistribution

DRY_RUN = """\
Installing dependencies from lock file

Package operations: 4 installs, 0 updates, 0 removals, 1 skipped

  - Installing idna (3.11)
  - Installing shelf (1.0.0 /srv/libs/shelf)
  - Installing tool.kit (2.0+local.1 4f2a9c1)
  - Installing colorama (0.4.6): Skipped for the following reason: Not required
  - Installing Zope.Interface (7.0 https://index.example/zope.interface-7.0.tar.gz)
"""


def test_operations_are_read_from_a_dry_run() -> None:
    assert dict(closure.operations(DRY_RUN)) == {
        "idna": "3.11",
        "shelf": "1.0.0",
        "tool-kit": "2.0+local.1",
        "zope-interface": "7.0",
    }


def holding(*found: str) -> list[PexDistribution]:
    nothing = Part(container=cast("Container", None), prefix="", members={}, directories={})
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


def test_names_and_versions_are_compared_by_meaning() -> None:
    verdict = judged(holding("idna==3.11", "a-b==1.0"), "idna==3.11", "A.B==1")
    assert not verdict.problems


def test_missing_superfluous_and_different_distributions_are_named() -> None:
    verdict = judged(holding("idna==3.10", "pip==24.0"), "idna==3.11", "h11==0.16.0")
    assert verdict.problems == (
        "h11 0.16.0 is missing",
        "idna is 3.10, but Poetry would install 3.11",
        "pip 24.0 is in the binary (.deps/pip-24.0-py3-none-any.whl), but Poetry would not install it",
    )


@pytest.mark.parametrize(("version", "fits"), [("0.4.0", True), (None, True), ("0.5", False)])
def test_the_packaged_project_is_expected_too(version: str | None, *, fits: bool) -> None:
    assert bool(judged(holding("svc==0.4"), project=("Svc", version)).problems) is not fits
    assert judged([], project=("svc", "0.4")).problems == ("svc 0.4 is missing",)


def test_excluded_distributions_are_not_expected() -> None:
    assert not judged(holding("idna==3.11"), "idna==3.11", "h11==0.16.0", exclude=("H11<1",)).problems
    assert judged(holding("h11==0.16.0"), "h11==0.16.0", exclude=("h11",)).problems == (
        "h11 0.16.0 is in the binary (.deps/h11-0.16.0-py3-none-any.whl), but `exclude` names it",
    )
    assert not judged(holding("h11==0.16.0"), "h11==0.16.0", exclude=("h11>1",)).problems


def test_a_distribution_that_is_there_twice_is_named() -> None:
    (problem,) = judged(holding("idna==3.11", "idna==3.11"), "idna==3.11").problems
    assert problem.startswith("idna is in the binary 2 times")


def test_versions_that_are_not_of_pep_440_are_compared_as_text() -> None:
    assert not judged(holding("odd==1-x-y"), "odd==1-x-y").problems
    assert judged(holding("odd==1-x-y"), "odd==1-x-z").problems == ("odd is 1-x-y, but Poetry would install 1-x-z",)


def test_the_verdict_lists_what_was_compared() -> None:
    verdict = judged(holding("idna==3.11"), "idna==3.11", "h11==0.16.0", exclude=("h11", "not a requirement!"))
    assert verdict.summary == "1 distribution, 1 expected"
    assert verdict.details == {
        "distributions": {"idna": "3.11"},
        "planned": {"idna": "3.11"},
        "excluded": ["h11"],
    }
    assert judged([], "idna==3.11").summary == "0 distributions, 1 expected"


def test_another_name_than_in_the_lock_is_only_noted() -> None:
    plan = {canonicalize_name("shelf-api"): "1.0"}
    verdict = closure.judge(
        holding("shelf==1.0"),
        plan,
        project=None,
        exclude=(),
        by_content=("shelf-api",),
        renamed={"shelf": "shelf-api"},
    )
    assert not verdict.problems
    assert verdict.notes == ("shelf-api calls itself shelf: it ships as Poetry installed it from its source",)
