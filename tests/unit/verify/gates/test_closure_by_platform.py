from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest
from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.distributions.pex_info import PexInfo
from nox_pex.platforms.platform import Platform, parse
from nox_pex.verify.archive import Directory, Part, PexWheel
from nox_pex.verify.container import Container, DamageError
from nox_pex.verify.gates import closure_by_platform
from nox_pex.verify.gates.verdict import Verdict
from nox_pex.verify.pex_distributions import PexDistribution
from tests.support.pex_files import recorded


def platform(name: str, *, python: str, machine: str = "x86_64") -> Platform:
    tag = python.replace(".", "")
    markers = {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.4",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{python}.4",
        "python_version": python,
        "sys_platform": "linux",
    }
    tags = [f"cp{tag}-cp{tag}-manylinux_2_28_{machine}", f"cp{tag}-cp{tag}-linux_{machine}", "py3-none-any"]
    return parse(name, {"compatible_tags": tags, "marker_environment": markers})


EMPTY = Part(container=cast("Container", None), prefix="", members={}, directories={})
OLD, NEW = platform("old", python="3.11"), platform("new", python="3.13")
IDNA = "idna-3.11-py3-none-any.whl"
NATIVE = {minor: f"lib-1.0-cp3{minor}-cp3{minor}-manylinux_2_28_x86_64.whl" for minor in (11, 13)}


def found(*wheels: str, content: Container | None = None) -> list[PexDistribution]:
    return [
        PexDistribution(
            name=canonicalize_name(wheel.split("-")[0]),
            version=wheel.split("-")[1],
            wheel=PexWheel(name=wheel, content=content or EMPTY, installed=True),
            dist_info=f"{wheel.split('-')[0]}-{wheel.split('-')[1]}.dist-info",
        )
        for wheel in wheels
    ]


def planned(**platforms: Mapping[str, str]) -> dict[str, dict[NormalizedName, str]]:
    return {name: {canonicalize_name(n): v for n, v in plan.items()} for name, plan in platforms.items()}


def judge(
    distributions: list[PexDistribution],
    requirements: list[str],
    plan: Mapping[str, Mapping[NormalizedName, str]],
    *,
    project: tuple[str, str | None] | None = None,
) -> Verdict:
    info = PexInfo(requirements=tuple(requirements))
    return closure_by_platform.judge(distributions, info, plan, [OLD, NEW], project=project, exclude=())


def test_each_platform_gets_the_wheel_that_fits_it() -> None:
    both = {"lib": "1.0", "idna": "3.11"}
    verdict = judge(found(*NATIVE.values(), IDNA), ["lib==1.0", "idna==3.11"], planned(old=both, new=both))
    assert verdict.problems == ()
    assert verdict.summary == "3 distributions for 2 targets"
    assert set(verdict.details) == {"old", "new"}


def test_a_marker_keeps_a_distribution_from_a_platform() -> None:
    requirements = ["lib==1.0", 'idna==3.11; python_version < "3.12"']
    plan = planned(old={"lib": "1.0", "idna": "3.11"}, new={"lib": "1.0"})
    assert judge(found(*NATIVE.values(), IDNA), requirements, plan).problems == ()


def test_a_platform_without_a_fitting_wheel_lacks_the_distribution() -> None:
    plan = planned(old={"lib": "1.0"}, new={"lib": "1.0"})
    assert judge(found(NATIVE[11]), ["lib==1.0"], plan).problems == ("new: lib 1.0 is missing",)
    assert judge(found(NATIVE[11]), ["lib==2.0"], planned(old={}, new={})).problems == (
        f"lib 1.0 is in the binary (.deps/{NATIVE[11]}), but no target installs it",
    )


def test_a_distribution_that_no_platform_uses_is_named() -> None:
    verdict = judge(found(IDNA), [], planned(old={}, new={}))
    assert verdict.problems == (f"idna 3.11 is in the binary (.deps/{IDNA}), but no target installs it",)


def test_a_loose_distribution_is_on_every_platform() -> None:
    loose = PexDistribution(name=canonicalize_name("lib"), version="1.0", wheel=None, dist_info=None)
    assert judge([loose], [], planned(old={"lib": "1.0"}, new={})).problems == (
        "new: lib 1.0 is in the binary (among the loose files), but Poetry would not install it",
    )


def test_requirements_of_the_packaged_project_count_too(tmp_path: Path) -> None:
    members = recorded("svc", "1.0", {})
    metadata = members["svc-1.0.dist-info/METADATA"] + b"Requires-Dist: idna (==3.11)\n"
    (tmp_path / "svc-1.0.dist-info").mkdir()
    (tmp_path / "svc-1.0.dist-info" / "METADATA").write_bytes(metadata)
    distributions = found("svc-1.0-py3-none-any.whl", content=Directory(tmp_path)) + found(IDNA)
    plan = planned(old={"idna": "3.11"}, new={"idna": "3.11"})
    assert judge(distributions, [], plan, project=("svc", "1.0")).problems == ()
    without = judge(distributions, [], plan)
    assert "old: idna 3.11 is missing" in without.problems


@pytest.mark.parametrize(
    "requirement", ["no requirement!", 'lib==1.0; no_such_variable == "1"', "lib==1.0; python_version"]
)
def test_a_requirement_that_nobody_can_read_is_damage(requirement: str) -> None:
    with pytest.raises(DamageError, match="a requirement in it cannot be read"):
        judge(found(NATIVE[11]), [requirement], planned(old={}, new={}))


def test_a_version_that_nobody_can_read_fits_no_requirement() -> None:
    (problem,) = judge(found("lib-odd!-py3-none-any.whl"), ["lib==1.0"], planned(old={}, new={})).problems
    assert problem.endswith("but no target installs it")
