"""Launch a binary, wait until it serves, check its answers, stop it, and remove everything that it left.

`launch` is for test suites. The session `smoke` uses the module `run`.
"""

from nox_pex.smoke.launcher import Launched, launch

__all__ = ["Launched", "launch"]
