from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.verify.archive import open_pex
from nox_pex.verify.container import DamageError
from nox_pex.verify.gates import reproducible
from nox_pex.verify.gates.verdict import Verdict
from tests.support.pex_files import archive, recorded, zipapp

Judge = Callable[..., Verdict]
WHEEL = "svc-1-py3-none-any.whl"


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Judge a PEX, and a second build in which a module has `content`."""

    def judged(content: bytes, *, own_wheels: tuple[str, ...] = ()) -> Verdict:
        first = zipapp(tmp_path / "first.pex", {WHEEL: recorded("svc", "1", {"svc.py": b"x = 1\n"})})
        second = zipapp(tmp_path / "second.pex", {WHEEL: recorded("svc", "1", {"svc.py": content})})
        with open_pex(first) as pex, open_pex(second) as again:
            return reproducible.judge(pex, again, own_wheels=own_wheels)

    return judged


def test_the_same_bytes_pass(judge: Judge) -> None:
    verdict = judge(b"x = 1\n")
    assert (verdict.problems, verdict.summary) == ((), "a second build has the same bytes")
    assert verdict.details["sha256"] == verdict.details["second-sha256"]


def test_the_first_difference_is_named_and_all_are_listed(judge: Judge) -> None:
    verdict = judge(b"x = 2\n")
    problem = f"a second build differs: {WHEEL}: svc.py has different content, from byte 4"
    assert (verdict.problems, verdict.summary) == ((problem,), "a second build has different bytes")
    assert verdict.details["differences"][0] == f"{WHEEL}: svc.py has different content, from byte 4"
    assert len(verdict.details["differences"]) == 3


def test_a_difference_in_the_projects_own_wheel_is_the_build_backends(judge: Judge) -> None:
    (problem,) = judge(b"x = 2\n", own_wheels=(WHEEL,)).problems
    assert problem.endswith(" (in the project's own wheel, which its build backend builds)")


def test_a_hundred_differences_are_listed(tmp_path: Path) -> None:
    first = zipapp(tmp_path / "first.pex", {}, loose={f"m{number:03}.py": b"1" for number in range(101)})
    second = zipapp(tmp_path / "second.pex", {}, loose={f"m{number:03}.py": b"2" for number in range(101)})
    with open_pex(first) as pex, open_pex(second) as again:
        assert len(reproducible.judge(pex, again, own_wheels=()).details["differences"]) == 100


def test_different_packing_of_the_same_members_is_a_problem(tmp_path: Path) -> None:
    one = archive(tmp_path / "one.pex", {"PEX-INFO": "{}", "main.py": "x = 1\n" * 99}, compression=0)
    other = archive(tmp_path / "other.pex", {"PEX-INFO": "{}", "main.py": "x = 1\n" * 99}, compression=8)
    with open_pex(one) as pex, open_pex(other) as again:
        (problem,) = reproducible.judge(pex, again, own_wheels=()).problems
    assert problem == "a second build has the same members, packed differently"


def test_damage_is_reported_as_damage(tmp_path: Path) -> None:
    one = archive(tmp_path / "one.pex", {"PEX-INFO": "{}", "main.py": b"x" * 100}, compression=0)
    one.write_bytes(one.read_bytes().replace(b"x" * 100, b"y" * 100))
    other = archive(tmp_path / "other.pex", {"PEX-INFO": "{}", "main.py": b"x" * 100}, compression=0)
    with open_pex(one) as pex, open_pex(other) as again, pytest.raises(DamageError, match=r"main\.py has another CRC"):
        reproducible.judge(pex, again, own_wheels=())
