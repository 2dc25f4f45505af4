"""Build the project in the current directory in a separate process, which a test can kill.

python -m tests.support.one_build PYTHON
"""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path

from nox_pex.distributions.interpreter import BasePython
from nox_pex.steps import install, pex
from nox_pex.steps.arguments import Arguments
from nox_pex.steps.context import Context
from nox_pex.tools.provision import Provisioner
from tests.support.known_pythons import KnownPythons
from tests.support.shown import say_into


class KnowingContext(Context, frozen=True, kw_only=True, dict=True):
    """The context of a run in which pex uses the known `pythons`, if there are any."""

    pythons: KnownPythons | None = None

    @cached_property
    def provisioner(self) -> Provisioner:
        """Creates environments and installs tools."""
        provisioner = super().provisioner
        return provisioner if self.pythons is None else self.pythons.known_to(provisioner)


def context(
    root: Path,
    python: Path,
    *,
    environ: dict[str, str],
    said: list[str],
    force: bool = False,
    pythons: KnownPythons | None = None,
) -> Context:
    """Return the context of a run in the project `root`, whose lines for the user are added to `said`."""
    return KnowingContext(
        root=root,
        state=root / ".nox" / "state",
        base=BasePython(name=str(python), find=lambda: python),
        arguments=Arguments(force=force),
        environ={**environ, "PWD": str(root)},
        say=say_into(said.append),
        emit=said.append,
        pythons=pythons,
    )


def build(run: Context) -> None:
    """Install from the lock, and build every binary."""
    install.run(run)
    pex.run(run)


if __name__ == "__main__":
    build(context(Path.cwd(), Path(sys.argv[1]), environ=dict(os.environ), said=[]))
