"""The session `lock`, with the real Poetry and the real index."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.mounts import read_only
from tests.support.nox_project import Project

pytestmark = pytest.mark.integration

Make = Callable[[str], Project]


def write_kept(project: Project, content: bytes) -> Path:
    """Write the copy of the lock that a killed run leaves. The session must have run before. Return its path."""
    (state,) = (project.root / ".nox").rglob("lock.lock")
    (kept := state.with_name("lock") / "poetry.lock").parent.mkdir(exist_ok=True)
    kept.write_bytes(content)
    return kept


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
    kept = write_kept(loose, whole)
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


@pytest.mark.parametrize("damaged", [b"", b"\xff\xfe", b"[metadata]\n", b'[metadata]\nlock-version = "3.0"\n'])
def test_any_damage_is_the_same_error_and_force_replaces_it(built: Make, damaged: bytes) -> None:
    loose = built("loose")
    lock = loose.root / "poetry.lock"
    lock.write_bytes(damaged)
    loose.refused("lock-unreadable", "-s", "lock")
    assert lock.read_bytes() == damaged
    loose.edit("pyproject.toml", '["idna==3.11"]', '["idna==3.11", "no-such-distribution-of-anybody"]')
    loose.refused("lock-failed", "-s", "lock", "--", "--force")
    assert lock.read_bytes() == damaged
    loose.edit("pyproject.toml", ', "no-such-distribution-of-anybody"]', "]")
    assert loose.nox("-s", "lock", "--", "--force").said("lock: poetry.lock written, ")


def test_a_link_stays_a_link_and_leads_to_what_it_led_to(built: Make) -> None:
    loose = built("loose")
    lock, target = loose.root / "poetry.lock", loose.root / "real.lock"
    lock.rename(target)
    lock.symlink_to("real.lock")
    before = target.read_bytes()
    loose.edit("pyproject.toml", '["idna==3.11"]', '["idna==3.11", "no-such-distribution-of-anybody"]')
    loose.refused("lock-failed", "-s", "lock")
    write_kept(loose, before)
    target.write_bytes(before[:100])
    loose.refused("lock-failed", "-s", "lock")
    assert lock.is_symlink()
    assert target.read_bytes() == before

    target.unlink()
    loose.refused("lock-failed", "-s", "lock")
    assert lock.is_symlink()
    assert not target.exists()


def test_a_lock_without_its_last_line_is_half_written(built: Make) -> None:
    loose = built("loose")
    lock = loose.root / "poetry.lock"
    loose.nox("-s", "lock")
    whole = lock.read_bytes()
    write_kept(loose, whole)
    lock.write_bytes(whole[: whole.rindex(b"content-hash")])
    assert loose.nox("-s", "lock").said("lock: restored the file that an interrupted run damaged")
    assert lock.read_bytes() == whole


def test_the_sessions_of_several_pythons_never_write_it_at_the_same_time(built: Make) -> None:
    loose = built("loose")
    loose.write_noxfile('python=["3.11", "3.12"]')
    loose.nox("-j", "2", "-s", "lock")
    assert len([*(loose.root / ".nox").rglob("lock.lock")]) == 1


def test_a_poetry_that_does_not_read_the_dependencies_locks_nothing(built: Make) -> None:
    loose = built("loose")
    lock = loose.root / "poetry.lock"
    before = lock.read_bytes()
    loose.append("pyproject.toml", '\n[tool.nox-pex]\npoetry-version = "1.8.5"\n')
    assert "project.dependencies" in loose.refused("poetry-version", "-s", "lock")
    assert lock.read_bytes() == before


def test_a_place_that_nobody_may_write_to_is_a_clear_error(built: Make, tmp_path: Path) -> None:
    loose = built("loose")
    loose.edit("pyproject.toml", '["idna==3.11"]', '["idna==3.11", "six"]')
    with read_only(loose.root):
        line = loose.refused("disk-full", "--envdir", str(tmp_path / "environments"), "-s", "lock")
    assert f"Read-only file system ('{loose.root}/poetry.lock')" in line


def test_the_noxfiles_own_session_stays(built: Make) -> None:
    loose = built("loose")
    own = "import nox\n\n\n@nox.session(venv_backend='none')\ndef lock(session):\n    session.log('our own')\n\n\n"
    loose.write_noxfile(before=own)
    assert loose.nox("-s", "lock").said("our own")
