"""`install`: install from the lock with Poetry, or fetch the wheels for other platforms."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from msgspec import structs

from nox_pex.distributions.environment import Environment
from nox_pex.pex.target import Target
from nox_pex.steps.context import Context
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    from nox_pex.pex import ahead
    from nox_pex.platforms import fetch
else:
    ahead = lazy("nox_pex.pex.ahead")  # only needed if Poetry installs
    fetch = lazy("nox_pex.platforms.fetch")  # only needed for `complete-platforms`


def run(context: Context) -> None:
    """Install each distinct set of groups and extras, and fetch the wheels of each binary for other platforms.

    Raises `NoxPexError` for the first that fails.
    """
    context.installs.clear()
    here = [target for target in context.targets if not target.table.complete_platforms]
    for wanted in dict.fromkeys(target.selection for target in here):
        built = [target for target in here if target.selection == wanted] if "pex" in context.steps else []
        meanwhile = functools.partial(_working_ahead, context, built)
        installer = structs.replace(context.installer, meanwhile=meanwhile)
        context.installs[wanted] = installer.install(wanted, context.environments[wanted])
    foreign = {context.wheelhouse_of(target): target for target in context.targets if target not in here}
    for home, target in foreign.items():
        fetch.WheelFetcher(installer=context.installer).fetch(target.selection, target.platforms, home)


def _working_ahead(
    context: Context, targets: Sequence[Target], environment: Environment
) -> AbstractContextManager[Callable[[str, str], None] | None]:
    """Work for the binaries `targets` while Poetry installs what they ship."""
    return ahead.working_ahead(targets, environment, context.provisioner)


def prepare(context: Context) -> None:
    """Do the same as `run`: the other steps need exactly what this step installs. Raises `NoxPexError`."""
    run(context)
