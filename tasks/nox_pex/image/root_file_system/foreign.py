"""Whether this machine can run the programs of an image for another architecture.

Fact source: the kernel's "Kernel Support for miscellaneous Binary Formats (binfmt_misc)".
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from nox_pex.oci.descriptor import ImagePlatform, platform_of_machine

_HANDLERS: Final = Path("/proc/sys/fs/binfmt_misc")


_ALSO: Final = {("amd64", "386"), ("arm64", "arm")}
"""The architectures of machines, each with one whose programs it may also run."""


_QEMU: Final = {"amd64": "x86_64", "arm64": "aarch64", "386": "i386"}
"""The names of architectures in the handlers of QEMU, if they differ."""


def reason(
    platform: ImagePlatform, *, machine: str, handlers: Path = _HANDLERS, system: str = sys.platform
) -> str | None:
    """Return why this machine, with the kernel's name `machine`, cannot run an image for `platform`; None if it can.

    `system` is Python's name of its system. An emulator runs it if its handler is enabled, and fixed: the kernel opens
    it before the root changes (flag `F`).
    """
    if system != "linux":
        return "only Linux can run an image without an engine"
    here = platform_of_machine(machine)
    if platform.os != here.os:
        return f"it is for {platform}, and this machine is {here}"
    if platform.architecture == here.architecture or (here.architecture, platform.architecture) in _ALSO:
        return None
    handler = handlers / f"qemu-{_QEMU.get(platform.architecture, platform.architecture)}"
    try:
        lines = handler.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    flags = next((line.removeprefix("flags:") for line in lines if line.startswith("flags:")), "")
    if "enabled" in lines and "F" in flags:
        return None
    return f"it is for {platform}, and this machine is {here}"
