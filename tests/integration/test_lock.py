"""The session `lock`, with the real Poetry and the real index."""

from __future__ import annotations

import tomllib
from collections.abc import Callable

import pytest

from tests.support.nox_project import Project

pytestmark = pytest.mark.integration

Make = Callable[[str], Project]


def test_a_project_without_a_lock_and_without_settings_is_locked_and_then_built(built: Make) -> None:
    loose = built("loose")
    (loose.root / "poetry.lock").unlink()
    settings = loose.root / "pyproject.toml"
    before, _, _ = (whole := settings.read_text("utf-8")).partition("[tool.nox-pex")
    settings.write_text(before, "utf-8")

    first = loose.nox("-s", "lock")
    assert first.said("lock: poetry.lock written, ", "; commit the file")
    assert tomllib.loads((loose.root / "poetry.lock").read_text("utf-8"))["package"]

    settings.write_text(whole, "utf-8")
    both = loose.nox("-s", "lock", "pex")
    assert both.said("lock: poetry.lock unchanged, ")
    assert both.said("pex: loose ")


def test_what_changed_is_named_and_other_versions_stay(built: Make) -> None:
    loose = built("loose")
    loose.edit("pyproject.toml", '["idna==3.11"]', '["idna", "six"]')
    loose.refused("lock-stale", "-s", "pex")

    assert loose.nox("-s", "lock").said("lock: six ")
    assert 'name = "idna"\nversion = "3.11"' in (loose.root / "poetry.lock").read_text("utf-8")
    assert loose.nox("-s", "lock", "--", "--force").said("lock: idna 3.11 -> ")
    loose.nox("-s", "pex")


def test_a_python_that_the_project_does_not_allow_can_lock_it(built: Make) -> None:
    loose = built("loose")
    loose.edit("pyproject.toml", ">=3.10", ">=3.12,<3.13")
    assert loose.nox("-s", "lock").said("lock: poetry.lock written, ")
    assert 'python-versions = ">=3.12,<3.13"' in (loose.root / "poetry.lock").read_text("utf-8")


@pytest.mark.parametrize(
    ("requirement", "code"), [("no-such-distribution-of-anybody", "lock-failed"), ("idna ==", "config")]
)
def test_if_poetry_fails_the_lock_is_as_it_was(built: Make, requirement: str, code: str) -> None:
    loose = built("loose")
    lock = loose.root / "poetry.lock"
    before = lock.read_bytes()
    loose.edit("pyproject.toml", '["idna==3.11"]', f'["idna==3.11", "{requirement}"]')
    loose.refused(code, "-s", "lock")
    assert lock.read_bytes() == before

    lock.unlink()
    loose.refused(code, "-s", "lock")
    assert not lock.exists()


def test_a_lock_that_a_killed_run_left_half_written_is_restored(built: Make) -> None:
    loose = built("loose")
    lock = loose.root / "poetry.lock"
    loose.nox("-s", "lock")
    whole = lock.read_bytes()
    (state,) = (loose.root / ".nox").rglob("lock.lock")
    (kept := state.with_name("lock") / "poetry.lock").parent.mkdir(exist_ok=True)
    kept.write_bytes(whole)
    lock.write_bytes(whole[: len(whole) // 2])

    assert loose.nox("-s", "lock").said("lock: restored the file that an interrupted run damaged")
    assert lock.read_bytes() == whole
    assert not kept.exists()


def test_a_damaged_lock_is_only_replaced_on_request(built: Make) -> None:
    loose = built("loose")
    lock = loose.root / "poetry.lock"
    damaged = b"<<<<<<< ours\n" + lock.read_bytes()
    lock.write_bytes(damaged)
    assert "`nox -s lock -- --force`" in loose.refused("lock-unreadable", "-s", "lock")
    assert lock.read_bytes() == damaged
    assert loose.nox("-s", "lock", "--", "--force").said("lock: poetry.lock written, ")
    loose.nox("-s", "pex")


def test_the_noxfiles_own_session_stays(built: Make) -> None:
    loose = built("loose")
    own = "import nox\n\n\n@nox.session(venv_backend='none')\ndef lock(session):\n    session.log('our own')\n\n\n"
    loose.write_noxfile(before=own)
    assert loose.nox("-s", "lock").said("our own")
