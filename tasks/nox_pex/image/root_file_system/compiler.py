"""Compile the modules of an image with the Python of its base, in a root file system made of the base's layers."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.image.content.bytecode import OPTIONS, SCRIPT
from nox_pex.image.root_file_system import directories
from nox_pex.image.root_file_system.ask import Streams, run_in
from nox_pex.oci import root_tree
from nox_pex.oci.image import BaseImage
from nox_pex.smoke.process.program import describe_status
from nox_pex.system import files
from nox_pex.system.command import Shell
from nox_pex.tools.cache import Caches

_SECONDS: Final = 600.0
"""Seconds in which one batch must be compiled."""


_LOG_LINES: Final = 20


class BaseCompiler(Struct, frozen=True, kw_only=True):
    """The Python `executable` in the image `base`, with its complete version."""

    base: BaseImage
    executable: str
    version: str
    caches: Caches

    @property
    def identity(self) -> str:
        """Its version, and the layers of the base: it may claim any version, and its bytecode is only for this base."""
        return f"{self.version} {self.executable} {root_tree.key_of(self.base.layers)}"

    def compile(self, given: Path, output: Path, *, shell: Shell) -> None:
        """Compile the sources in `given` to `output`.

        Raises `NoxPexError` `image-build` if the Python fails, and `UnavailableError` if the kernel refuses to run it.
        """
        log = output.with_suffix(".log")
        argv = (self.executable, *OPTIONS, "-c", SCRIPT.read_text("utf-8"))
        streams = Streams(stdin=given, stdout=output, stderr=log)
        layers, name = self.base.layers, self.base.name
        with directories.unpacked(layers, (), image=name, caches=self.caches, say=shell.say) as root:
            ended = run_in(root, argv, self.base.config.container, streams, scratch=output.parent, seconds=_SECONDS)
        if ended is None or ended.status != 0:
            how = f"still running after {_SECONDS:g} s" if ended is None else describe_status(ended.status)
            problem = f"the Python of {self.base.name} cannot compile the modules of the image: {how}"
            lines = files.read_text(log, errors="replace").splitlines()[-_LOG_LINES:]
            raise NoxPexError("image-build", problem, "choose a base with a Python that works", log=tuple(lines))
