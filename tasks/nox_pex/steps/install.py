"""`install`: Poetry installs from the lock; for other platforms, it fetches the wheels."""

from __future__ import annotations

from nox_pex.platforms.fetch import WheelFetcher
from nox_pex.steps.context import Context


def run(context: Context) -> None:
    """Install each distinct set of groups and extras; fetch the wheels of binaries for other platforms.

    Raises `NoxPexError`.
    """
    context.finished.clear()
    here = [target for target in context.targets if not target.table.complete_platforms]
    for wanted in dict.fromkeys(target.selection for target in here):
        context.finished[wanted] = context.installer.install(wanted, context.environments[wanted])
    elsewhere = {context.wheelhouse_of(target): target for target in context.targets if target not in here}
    for home, target in elsewhere.items():
        WheelFetcher(installer=context.installer).fetch(target.selection, target.platforms, home)


prepare = run
"""The environment is what the other steps need installed."""
