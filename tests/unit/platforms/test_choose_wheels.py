from __future__ import annotations

from pathlib import Path
from typing import Any

from nox_pex.platforms import choose_wheels
from nox_pex.platforms.choose_wheels import Choice, MissingWheel
from tests.support.platforms import package, target


def test_the_missing_wheels_are_in_one_line() -> None:
    there, arm = target("there"), target("arm", platform_machine="aarch64")
    fits = package("fits", "fits-1-py3-none-any.whl")
    lacks = package("lacks", "lacks-1.tar.gz")
    other = package("other", "other-1-cp39-cp39-win_amd64.whl", "other-1.tar.gz")
    cloned = package("cloned", source="git")
    choices, missing = choose_wheels.choose({"there": [fits, lacks, cloned], "arm": [fits, lacks, other]}, [there, arm])
    assert [(c.package.name, c.file, c.targets) for c in choices] == [
        ("fits", "fits-1-py3-none-any.whl", ("there", "arm")),
        ("cloned", None, ("there",)),
    ]
    error = choose_wheels.no_wheel(missing, lock=Path("poetry.lock"))
    assert error.code == "no-wheel"
    assert error.problem == (
        "poetry.lock has no wheel for there and arm of lacks 1 (only an sdist), "
        "and for arm of other 1 (1 wheel, none compatible)"
    )


def test_each_target_gets_its_own_wheel_of_a_package() -> None:
    old, new = target("old", python="3.9"), target("new")
    files = ("a-1-cp312-cp312-manylinux_2_28_x86_64.whl", "a-1-py3-none-any.whl")
    choices, _ = choose_wheels.choose({"old": [package("a", files[1])], "new": [package("a", *files)]}, [old, new])
    assert {choice.targets: choice.file for choice in choices} == {("old",): files[1], ("new",): files[0]}
    assert {choice.hash for choice in choices} == {f"sha256:{file}" for file in files}


def test_the_answer_is_sorted_by_normalized_name() -> None:
    entry: dict[str, Any] = {"version": "1", "source": None, "url": None, "subdirectory": None, "files": []}
    found = choose_wheels.parse([{**entry, "name": "Zope_Parts"}, {**entry, "name": "alpha"}])
    assert [planned.key for planned in found] == [("alpha", "1"), ("zope-parts", "1")]


def test_a_package_of_which_the_lock_names_no_file_is_unhashed() -> None:
    packages = {"there": [package("plain"), package("cloned", source="git"), package("whole", "whole-1.tar.gz")]}
    assert [planned.name for planned in choose_wheels.unhashed(packages)] == ["plain"]


def test_a_wheel_that_was_built_here_must_be_pure() -> None:
    choice = Choice(package=package("answer", source="directory"), file=None, targets=("there", "arm"))
    assert choice.hash == ""
    assert list(choose_wheels.impure(choice, Path("answer-1-py3-none-any.whl"))) == []
    name = "answer-1-cp311-cp311-linux_x86_64.whl"
    assert list(choose_wheels.impure(choice, Path(name))) == [
        MissingWheel(target=target, package="answer 1", why=f"its build compiles code: {name}")
        for target in ("there", "arm")
    ]
