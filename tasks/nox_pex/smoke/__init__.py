"""Launch a binary, wait until it serves, check its answers, stop it, and leave nothing behind.

`launch` is for test suites; the session `smoke` uses `run` in the module of that name.
"""

from nox_pex.smoke.launcher import Launched, launch

__all__ = ["Launched", "launch"]
