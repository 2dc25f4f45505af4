"""`lock`: write `poetry.lock` with the pinned Poetry and the settings of the package index."""

from __future__ import annotations

from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.poetry.resolve import Locker, Written
from nox_pex.steps.context import Context
from nox_pex.system import locks, os_errors
from nox_pex.system.messages import changed, unchanged
from nox_pex.system.wording import counted

_MOST_NAMED: Final = 20
"""The changes that are named; a first lock names none."""


_VERSION_KEY: Final = "tool.nox-pex.poetry-version"


def run(context: Context) -> None:
    """Write `poetry.lock`. With `--force`, the versions in it do not count: the newest are chosen.

    Of the settings only `poetry-version` is read, so that a project can be locked before it has any. Raises
    `NoxPexError`: `lock-failed`, `config`, `poetry-version`, `tool-install`, `git`, or a code of the package index.
    """
    state = context.state.with_name(context.state.name.removesuffix(context.suffix))  # all Pythons have one lock
    locker = Locker(
        project=context.project,
        provisioner=context.provisioner,
        poetry_version=_poetry_version(context),
        kept=state / "lock" / "poetry.lock",
    )
    waiting = "lock: waiting for another run that locks the project"
    with (
        os_errors.writing(str(context.project.lock), place=context.root),
        locks.locked(state / "lock.lock", waiting=lambda: context.say(waiting)) as lock_fd,
    ):
        written = locker.write(regenerate=context.arguments.force, lock_fd=lock_fd)
    _show(context, written)


def _poetry_version(context: Context) -> str | None:
    """Return the setting `poetry-version`. Other settings may be wrong. Raises `NoxPexError` `config`."""
    reading = context.reading
    wrong = [each for each in reading.problems if _VERSION_KEY in each.problem]
    if wrong:
        raise NoxPexError.together(wrong)
    return reading.settings.poetry_version if reading.settings is not None else None


def _show(context: Context, written: Written) -> None:
    name, packages = written.lock.path.name, counted(written.lock.packages, "package")
    if written.is_same:
        context.say(unchanged(f"lock: {name} unchanged, {packages}"))
        return
    if written.is_new:
        context.say(changed(f"lock: {name} written, {packages}; commit the file"))
        return
    for each in written.changes[:_MOST_NAMED]:
        context.say(changed(f"lock: {each}"))
    if more := written.changes[_MOST_NAMED:]:
        context.say(f"lock: and {counted(more, 'more change')}")
    context.say(changed(f"lock: {name} written, {packages}, {counted(written.changes, 'change')}; commit the file"))
