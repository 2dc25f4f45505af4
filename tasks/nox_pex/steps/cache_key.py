"""`cache-key`: print one key for CI caches."""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

from nox_pex.poetry import lock
from nox_pex.steps.context import Context
from nox_pex.system.fingerprint import digests
from nox_pex.tools import pinned
from nox_pex.version import __version__


def run(context: Context) -> None:
    """Print a key for the directories that CI keeps from run to run.

    The key changes with the lock, the Python and the tool versions. Its beginning, up to the last hyphen, names the
    project, the Python and the platform, so that a CI system can fall back to the latest key with that beginning.
    Raises `NoxPexError`: `config`, `no-lock`, `lock-unreadable`.
    """
    settings, this_python = context.settings, str(Path(sys.executable).resolve())
    python = ".".join(map(str, sys.version_info[:3])) if context.base.name == this_python else context.base.name
    decisive = {
        "lock": lock.digest(context.project.lock),
        "poetry": settings.poetry_version or pinned.POETRY,
        "pex": settings.pex_version or pinned.PEX,
        "nox-pex": __version__,
    }
    parts = (
        "nox-pex",
        context.project.name,
        f"py{python}",
        sysconfig.get_platform(),
        digests({"all": decisive})["all"][:16],
    )
    context.emit(re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(parts)))
