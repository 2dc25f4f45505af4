"""The system's keyring, in which Poetry looks up passwords of package indexes.

Fact source: keyring 25.7, `core.py` (the configuration file) and `backends/`; jeepney 0.9, `bus.py`.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from nox_pex.system import files
from nox_pex.system.environ import home_directory

_BUS: Final = "DBUS_SESSION_BUS_ADDRESS"
"""The variable without which no backend of Linux is available: the Secret Service and KWallet are on that bus."""


def may_exist(environ: Mapping[str, str], *, project: Path, platform: str = sys.platform) -> bool:
    """Whether Poetry, run with `environ` in the directory `project`, could find a keyring.

    False only if there is certainly none. On Linux, that is so if there is no session bus, no configuration file of
    keyring, which can name a backend, and no plugin of Poetry that the project requires, which can bring one.
    `platform` is a value of `sys.platform`.
    """
    if platform != "linux" or environ.get(_BUS):
        return True
    configuration = Path(
        environ.get("XDG_CONFIG_HOME") or home_directory(environ) / ".config", "python_keyring", "keyringrc.cfg"
    )
    return configuration.exists() or _requires_plugins(project / "pyproject.toml")


def _requires_plugins(file: Path) -> bool:
    """Whether a `pyproject.toml` has plugins of Poetry in `requires-plugins`, or cannot be read."""
    try:
        return bool(tomllib.loads(files.read_text(file))["tool"]["poetry"]["requires-plugins"])
    except KeyError:
        return False
    except (OSError, ValueError, TypeError, RecursionError):
        return True
