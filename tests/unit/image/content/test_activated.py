from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from nox_pex.distributions import pex_info
from nox_pex.distributions.pex_file import PexError
from nox_pex.image.content.activated import ImageTarget, activated
from nox_pex.platforms.platform import Platform
from tests.support.images import PYTHON


def chosen(
    distributions: Sequence[str],
    requirements: Sequence[str],
    needed: Mapping[str, Sequence[str]] | None = None,
    *,
    platform: Platform | None = None,
) -> tuple[str, ...]:
    """The wheels that pex activates; `needed` are the requirements of some distributions, by name."""
    info = pex_info.parse(
        pex_info.text_of({"distributions": dict.fromkeys(distributions, ""), "requirements": list(requirements)})
    )

    def metadata(wheel: str) -> bytes:
        lines = (needed or {}).get(wheel.partition("-")[0], ())
        return "".join(f"Requires-Dist: {line}\n" for line in lines).encode()

    return activated(info, ImageTarget.of(PYTHON, platform), metadata=metadata)


def pure(name: str) -> str:
    return f"{name}-1-py3-none-any.whl"


def target(machine: str) -> Platform:
    tags = (f"cp311-cp311-manylinux_2_17_{machine}", "cp311-abi3-linux_x", "py3-none-any")
    markers = {**ImageTarget.of(PYTHON, None).markers, "platform_machine": machine}
    return Platform(name=machine, tags=tags, markers=markers)


def test_dependencies_follow_the_distribution_that_needs_them() -> None:
    needed = {"a": ["c", "d; extra == 'fast'"], "c": ["a", "b"]}
    wheels = [pure(name) for name in "abcd"]
    assert chosen(wheels, ["a", "b", "d"], needed) == tuple(pure(name) for name in "acbd")
    assert chosen(wheels, ["b", "a[fast]"], needed) == tuple(pure(name) for name in "bacd")


def test_a_distribution_that_is_only_for_other_platforms_is_left_out() -> None:
    wheels = [pure("a"), pure("colorama")]
    assert chosen(wheels, ["a", 'colorama==1; sys_platform == "win32"']) == (pure("a"),)
    assert chosen(wheels, ["a", "colorama==1"]) == tuple(wheels)


def test_each_platform_gets_its_own_wheel() -> None:
    natives = [f"native-1-cp311-cp311-manylinux_2_17_{machine}.whl" for machine in ("aarch64", "x86_64")]
    wheels = [*natives, pure("native"), pure("a")]
    for machine, native in zip(("aarch64", "x86_64"), natives, strict=True):
        assert chosen(wheels, ["native==1", "a"], platform=target(machine)) == (native, pure("a"))
    assert chosen(wheels, ["native==1"], platform=target("riscv64"))[0] == pure("native")
    with pytest.raises(PexError, match="no wheel of native for the image's platform"):
        chosen(natives, ["native==1"], platform=target("riscv64"))


def test_each_platform_gets_the_version_that_its_marker_names() -> None:
    wheels = ["a-1-py3-none-any.whl", "a-2-py3-none-any.whl"]
    requirements = ['a==1; platform_machine == "x86_64"', 'a==2; platform_machine == "aarch64"']
    assert chosen(wheels, requirements, platform=target("x86_64")) == (wheels[0],)
    assert chosen(wheels, requirements, platform=target("aarch64")) == (wheels[1],)


def test_a_distribution_that_no_requirement_reaches_is_kept() -> None:
    assert chosen([pure("b"), pure("a")], ["a", "not a requirement!"]) == (pure("a"), pure("b"))
