"""Check that a binary has the scripts that its `command` checks start."""

from __future__ import annotations

import contextlib
from pathlib import Path

from nox_pex.distributions import pex_file
from nox_pex.distributions.pex_file import PexError
from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import Smoke
from nox_pex.system.wording import did_you_mean


def check_scripts(smoke: Smoke, binary: Path, *, key: str) -> None:
    """Raise `NoxPexError` `entry-missing` if a `command` check starts a script that `binary` does not have.

    `key` is the dotted name of the binary's table. A file that is not a PEX passes: it cannot be launched, which the
    smoke test reports.
    """
    wanted = [(number, check.script) for number, check in enumerate(smoke.command) if check.script is not None]
    if not wanted:
        return
    with contextlib.suppress(PexError):
        known = pex_file.scripts(binary)
        for number, script in wanted:
            if script not in known:
                problem = f"{key}.smoke.command[{number}].script is {script!r}, and {binary.name} has no such script"
                raise NoxPexError("entry-missing", problem, did_you_mean(script, known, otherwise="it has"))
