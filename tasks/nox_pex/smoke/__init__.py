"""Launches a binary, waits until it serves, checks its answers, stops it, and leaves nothing behind.

`launch` is for test suites; the session `smoke` uses `run` of the module of that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nox_pex.smoke.launcher import Launched as Launched
    from nox_pex.smoke.launcher import launch as launch

__all__ = ["Launched", "launch"]


def __getattr__(name: str) -> Any:
    # Late, since every session imports the settings from this package, and an HTTP client takes 200 ms.
    if name in __all__:
        from nox_pex.smoke import launcher  # noqa: PLC0415

        return getattr(launcher, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
