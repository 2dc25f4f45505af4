"""The directories of which the kernel makes the root file system of an image."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, final

from nox_pex.oci import unpack
from nox_pex.oci.image import LayerFile
from nox_pex.smoke.process.program import UnavailableError
from nox_pex.system.messages import Say
from nox_pex.system.wording import counted, megabytes
from nox_pex.tools.cache import Caches

_OVERLAY: Final = "overlayfs"
"""The word in the reason if the kernel cannot join directories."""


_SETGROUPS: Final = Path("/proc/self/setgroups")


_USERS: Final = Path("/proc/self/uid_map")


_STATUS: Final = Path("/proc/self/status")


_CAPABILITIES: Final = re.compile(r"^CapEff:\s*([0-9a-f]+)$", re.MULTILINE)


_NEEDED: Final = sum(1 << number for number in (0, 1, 6, 7, 21))
"""CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_SETGID, CAP_SETUID and CAP_SYS_ADMIN (capabilities(7))."""


_LARGE: Final = 20 * 10**6
"""Bytes of layers from which on a line says that they are unpacked: it may take seconds."""


_ALL_USERS: Final = 65536
"""The number of user ids that images use, and that a user namespace of an engine maps at least."""


def may_become_any_user() -> bool:
    """Whether this process is root with its rights, and not root in the user namespace of an ordinary user."""
    if os.geteuid() != 0:
        return False
    try:
        mapped = sum(int(line.split()[2]) for line in _USERS.read_text("ascii").splitlines())
        has_groups = _SETGROUPS.read_text("ascii").strip() != "deny"
        capabilities = _CAPABILITIES.search(_STATUS.read_text("utf-8", errors="replace"))
    except (OSError, ValueError, IndexError):
        return False
    held = int(capabilities[1], 16) if capabilities else 0
    return mapped >= _ALL_USERS and has_groups and held & _NEEDED == _NEEDED


@final
class RootDirectories:
    """The directories of an image's root, uppermost first, in `lower`: joined by overlayfs if `overlay`.

    After an edit only the last layers are unpacked again, because the base, the layers above it and the last one are
    separate directories. If the kernel refuses overlayfs, `can_do_without` makes one directory of them.
    """

    def __init__(
        self,
        stack: contextlib.ExitStack,
        caches: Caches,
        *,
        image: str,
        as_root: bool,
        say: Say,
    ) -> None:
        self.as_root = as_root
        self.lower: tuple[str, ...] = ()
        self.overlay: bool = True
        self._stack = stack
        self._caches = caches
        self._image = image
        self._say = say
        self._base: Sequence[LayerFile] = ()
        self._added: Sequence[LayerFile] = ()

    def unpack(self, base: Sequence[LayerFile], added: Sequence[LayerFile]) -> None:
        """Unpack the layers that are not in the cache. Raises `NoxPexError`: `image-base`, `cache-unsafe`."""
        self._base, self._added = base, added
        groups = [group for group in (base, added[:-1], added[-1:]) if group]
        directories = [self._unpacked(group) for group in groups]
        self.lower = tuple(str(directory) for directory in reversed(directories))

    def _unpacked(self, layers: Sequence[LayerFile]) -> Path:
        def announce() -> None:
            if (size := sum(layer.descriptor.size for layer in layers)) >= _LARGE:
                self._say(f"image: unpacking {counted(layers, 'layer')}, {megabytes(size)}, into the cache")

        return unpack.unpacked(layers, image=self._image, caches=self._caches, as_root=self.as_root, unpacking=announce)

    def can_do_without(self, refusal: UnavailableError) -> bool:
        """Make one directory of all layers if the kernel refused to join several. Return whether that may help."""
        if not self.overlay or _OVERLAY not in str(refusal):
            return False
        joined = unpack.overlaid(self._base, self._added, image=self._image, caches=self._caches, as_root=self.as_root)
        self.lower, self.overlay = (str(self._stack.enter_context(joined)),), False
        return True


@contextlib.contextmanager
def unpacked(
    base: Sequence[LayerFile], added: Sequence[LayerFile], *, image: str, caches: Caches, say: Say
) -> Iterator[RootDirectories]:
    """Yield the directories of an image with the layers `base`, and above them `added`, which have no whiteouts.

    `image` names it in errors. `say` shows that large layers are unpacked. Raises `NoxPexError`: `image-base`,
    `cache-unsafe`.
    """
    with contextlib.ExitStack() as stack:
        directories = RootDirectories(stack, caches, image=image, as_root=may_become_any_user(), say=say)
        directories.unpack(base, added)
        yield directories
