"""Warm pex up before there is anything to pack: let it build a PEX without content, which nobody uses.

Into its PEX_ROOT, pex then writes what it knows about the interpreters, a copy of its own code, and its runtime packed.
It also compiles its modules. None of it depends on what is packed later.
"""

from __future__ import annotations

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.pex import cli, tool
from nox_pex.system import locks
from nox_pex.tools.provision import Provisioner


def warm_up(provisioner: Provisioner, version: str | None, *, interpreter: Interpreter) -> None:
    """Warm up pex for a build with the caches of `provisioner`, on the Python `interpreter` outside any environment.

    `version` is as for `tool.provide`, and so are the errors. A failure of pex itself is ignored, because the build
    shows it.
    """
    with (
        tool.provide(provisioner, version, interpreter=interpreter) as pex,
        locks.scratch("nox-pex-warm-up-") as scratch,
    ):
        argv = cli.empty_argv(interpreter, python=pex.python, output=scratch / "empty.pex", pex_root=pex.root)
        provisioner.shell.run(argv, what="pex: warming up", env=pex.environ, cwd=scratch)
