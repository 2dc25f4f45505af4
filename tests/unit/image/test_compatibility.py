from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from nox_pex.distributions.pex_file import PexError
from nox_pex.errors import NoxPexError
from nox_pex.image import compatibility
from nox_pex.image.base_image import ImagePython
from nox_pex.image.compatibility import BinaryRequirements
from tests.support.images import ALPINE, PYTHON


def refusal(required: BinaryRequirements, python: ImagePython = PYTHON) -> str:
    with pytest.raises(NoxPexError) as caught:
        compatibility.check(required, python, name="service", base="some:base")
    assert caught.value.code == "image-python"
    assert caught.value.problem.endswith(f"but the base some:base has {python}")
    return caught.value.problem


NATIVE = "lxml-6.0.0-cp311-cp311-manylinux_2_26_x86_64.manylinux_2_28_x86_64.whl"


def test_a_base_that_meets_all_requirements_is_accepted() -> None:
    wheels = (
        NATIVE,
        "idna-3.11-py3-none-any.whl",
        "six-1-py2.py3-none-any.whl",
        "abi-1-cp39-abi3-manylinux1_x86_64.whl",
    )
    compatibility.check(
        BinaryRequirements(constraints=("CPython==3.11.*",), wheels=wheels), PYTHON, name="service", base="b"
    )
    compatibility.check(
        BinaryRequirements(constraints=(), wheels=("a-1-cp311-cp311-musllinux_1_2_x86_64.whl",)),
        ALPINE,
        name="",
        base="",
    )
    pypy = replace(PYTHON, implementation="PyPy", version="3.10.14", abi="pypy310_pp73")
    wheel = "a-1-pp310-pypy310_pp73-manylinux_2_28_x86_64.whl"
    compatibility.check(BinaryRequirements(constraints=("PyPy>=3.10",), wheels=(wheel,)), pypy, name="", base="")


def test_a_base_that_misses_a_requirement_is_refused() -> None:
    constrained = BinaryRequirements(constraints=("CPython==3.12.*", "CPython==3.13.*"), wheels=())
    assert "the binary service is for CPython==3.12.* or CPython==3.13.*," in refusal(constrained)
    native = BinaryRequirements(constraints=("CPython==3.11.*",), wheels=(NATIVE,))
    assert "cp311-cp311-manylinux_2_26_x86_64" in refusal(native, ALPINE)
    assert "(lxml)" in refusal(native, replace(PYTHON, machine="aarch64"))
    assert refusal(native, replace(PYTHON, libc_version="2.17"))
    assert refusal(native, replace(PYTHON, gil=False))
    here = "own-1-cp311-cp311-linux_x86_64.whl"
    compiled = BinaryRequirements(constraints=(), wheels=(here,), libc={here: ("glibc", 34)})
    compatibility.check(compiled, PYTHON, name="service", base="b")
    assert "glibc 2.34 (own, which was compiled here)" in refusal(compiled, replace(PYTHON, libc_version="2.31"))
    assert "glibc 2.34" in refusal(compiled, ALPINE)


def test_a_lock_may_require_more_on_another_patch_release() -> None:
    requires = {
        "redis": ('async-timeout>=4.0.3; python_full_version < "3.11.3"', 'hiredis>=3; extra == "hiredis"'),
        "app": ("redis[hiredis]", 'tomli; extra == "unasked" and python_full_version < "3.11.3"'),
    }
    required = BinaryRequirements(constraints=(), wheels=(), requires=requires)
    with pytest.raises(NoxPexError, match=r"is for Python 3.11.7 \(redis needs async-timeout if python_full_version"):
        compatibility.check(required, PYTHON, name="a", base="b", built_with="3.11.7")
    compatibility.check(required, PYTHON, name="a", base="b", built_with="3.11.2")
    compatibility.check(required, replace(PYTHON, version="3.11.9"), name="a", base="b", built_with="3.11.7")
    there = replace(required, requires={**requires, "async-timeout": ()})
    compatibility.check(there, PYTHON, name="a", base="b", built_with="3.11.7")


def test_a_builder_must_not_be_newer_than_the_base() -> None:
    compatibility.check_builder(replace(PYTHON, libc_version="2.31"), PYTHON, builder="a", base="b")
    for builder in (replace(PYTHON, version="3.12.1"), ALPINE, replace(PYTHON, libc_version="2.40")):
        with pytest.raises(NoxPexError, match="the builder a has"):
            compatibility.check_builder(builder, PYTHON, builder="a", base="b")


def test_requirements_are_read_from_the_binary(pex: Callable[..., Path]) -> None:
    found = compatibility.read_requirements(pex())
    assert found.constraints == ("CPython==3.11.*",)
    assert found.requires == {"dep": ("idna; extra == 'x'",)}
    assert found.libc == {"dep-2-cp311-cp311-linux_x86_64.whl": ("glibc", 34)}
    assert list(compatibility.read_requirements(pex(module=b"libc.musl-x86_64.so.1")).libc.values()) == [("musl", 0)]


def test_requirements_of_a_pex_directory_are_the_same(pex: Callable[..., Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(pex()) as archive:
        archive.extractall(tmp_path / "directory")

    assert compatibility.read_requirements(tmp_path / "directory") == compatibility.read_requirements(pex())


@pytest.mark.parametrize(
    "info", [{"interpreter_constraints": 1}, {"interpreter_constraints": [None]}, {"distributions": []}]
)
def test_a_pex_info_with_other_types_is_an_error(tmp_path: Path, info: dict[str, object]) -> None:
    (tmp_path / "PEX-INFO").write_text(json.dumps(info), "utf-8")
    with pytest.raises(PexError, match=r"it is no PEX-INFO|damaged"):
        compatibility.read_requirements(tmp_path)


def test_a_requirement_that_is_not_valid_is_left_out() -> None:
    required = BinaryRequirements(constraints=(), wheels=(), requires={"a": ("b; nonsense", "c (>=1.0.*)", "")})
    compatibility.check(required, PYTHON, name="a", base="b", built_with="3.1.0")


def test_one_wheel_that_fits_is_enough() -> None:
    wheels = ("a-1-cp311-cp311-macosx_11_0_arm64.whl", "a-1-cp311-cp311-manylinux_2_17_x86_64.whl")
    compatibility.check(BinaryRequirements(constraints=(), wheels=wheels), PYTHON, name="service", base="b")

    assert "macosx_11_0_arm64 (a)" in refusal(BinaryRequirements(constraints=(), wheels=wheels[:1]))


@pytest.mark.parametrize(
    ("constraint", "is_met"),
    [
        ("CPython==3.11.*", True),
        ("CPython+t==3.11.*", True),
        (">=3.9", True),
        ("CPython nonsense", True),  # pex itself checks it
        ("PyPy==3.11.*", False),
        ("==3.12.*", False),
    ],
)
def test_interpreter_constraints(constraint: str, *, is_met: bool) -> None:
    required = BinaryRequirements(constraints=(constraint,), wheels=())
    if is_met:
        compatibility.check(required, PYTHON, name="service", base="b")
    else:
        assert f"is for {constraint}, but" in refusal(required)


@pytest.mark.parametrize(("has_engine", "remedy"), [(True, "-- --from-source"), (False, "`complete-platforms`")])
def test_the_next_step_is_one_that_is_possible(has_engine: bool, remedy: str) -> None:  # noqa: FBT001  # parametrized
    required = BinaryRequirements(constraints=(), wheels=(NATIVE,))
    arm = replace(PYTHON, machine="aarch64")
    with pytest.raises(NoxPexError) as caught:
        compatibility.check(required, arm, name="a", base="b", has_engine=has_engine)
    assert remedy in caught.value.remedy
