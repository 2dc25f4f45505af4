"""`install`: install from the lock with Poetry, or fetch the wheels for other platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nox_pex.steps.context import Context
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    from nox_pex.platforms import fetch
else:
    fetch = lazy("nox_pex.platforms.fetch")  # only needed for `complete-platforms`


def run(context: Context) -> None:
    """Install each distinct set of groups and extras, and fetch the wheels of each binary for other platforms.

    Raises `NoxPexError` for the first that fails.
    """
    context.installs.clear()
    here = [target for target in context.targets if not target.table.complete_platforms]
    for wanted in dict.fromkeys(target.selection for target in here):
        context.installs[wanted] = context.installer.install(wanted, context.environments[wanted])
    foreign = {context.wheelhouse_of(target): target for target in context.targets if target not in here}
    for home, target in foreign.items():
        fetch.WheelFetcher(installer=context.installer).fetch(target.selection, target.platforms, home)


def prepare(context: Context) -> None:
    """Do the same as `run`: the other steps need exactly what this step installs. Raises `NoxPexError`."""
    run(context)
