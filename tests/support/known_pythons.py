"""Facts about Pythons and about itself that pex keeps in its PEX_ROOT, shared by all builds of one oracle."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from nox_pex.system.command import Outcome, Shell
from nox_pex.system.messages import Work
from nox_pex.tools.provision import Provisioner

_KNOWN: Final = ("interpreters", "bootstraps", "bootstrap_zips")
"""The directories in a PEX_ROOT about Pythons and pex itself. Nothing in them is from a distribution or a project."""


class KnownPythons(Struct, frozen=True, kw_only=True):
    """A `directory` in which pex writes what it finds out, for all builds of one oracle."""

    directory: Path

    def known_to(self, provisioner: Provisioner) -> Provisioner:
        """Return `provisioner` with a shell that lets each pex use this directory."""
        shell = provisioner.shell
        knowing = _KnowingShell(environ=shell.environ, secrets=shell.secrets, say=shell.say, directory=self.directory)
        return replace(provisioner, shell=knowing)


class _KnowingShell(Shell, frozen=True, kw_only=True):
    """A shell that links the known directories into each PEX_ROOT on a command line."""

    directory: Path

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        what: str,
        env: Mapping[str, str],
        cwd: Path | None = None,
        hold: Sequence[int] = (),
        watch: Callable[[str, Work], None] | None = None,
    ) -> Outcome:
        """Run `argv` as `Shell.run` does."""
        words = [os.fspath(word) for word in argv]
        if "--pex-root" in words:
            root = Path(words[words.index("--pex-root") + 1])
            root.mkdir(parents=True, exist_ok=True)
            for name in _KNOWN:
                (self.directory / name).mkdir(exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    (root / name).symlink_to(self.directory / name)
        return super().run(argv, what=what, env=env, cwd=cwd, hold=hold, watch=watch)
