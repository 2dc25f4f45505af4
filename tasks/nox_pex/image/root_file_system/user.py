"""The user of an image: which ids it has, where its home is, and which files of the image it can read.

Fact sources: the OCI image specification ("User" of the configuration), moby/sys `user.GetExecUser` for the groups,
path_resolution(7) for permissions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.oci.image_config import ImageConfig
from nox_pex.oci.layer_stream import LayerError
from nox_pex.oci.root_tree import RootTree

_HIGHEST_ID: Final = 2**31 - 1
"""The highest id that container engines accept."""


_LARGEST: Final = 1 << 20
"""Bytes of an `/etc/passwd` that is read."""


_PASSWD_FIELDS: Final = 7


_GROUP_FIELDS: Final = 4


_READ: Final = 0o4


_EXECUTE: Final = 0o1


class ImageUser(Struct, frozen=True, kw_only=True):
    """The user with which a container starts. `text` is how the configuration names it."""

    text: str
    user: int
    group: int
    groups: tuple[int, ...] = ()
    home: str = "/"

    def can_read(self, tree: RootTree, path: str) -> bool:
        """Whether the user can read the file at `path`. A path at which there is nothing counts as readable."""
        return self._may(tree, path, _READ)

    def can_execute(self, tree: RootTree, path: str) -> bool:
        """Whether the user can execute the file at `path`. A path at which there is nothing counts as executable."""
        return self._may(tree, path, _EXECUTE)

    def _may(self, tree: RootTree, path: str, bits: int) -> bool:
        real = tree.resolve(path)
        if real is None or real not in tree.entries:
            return True
        directories = {above for prefix in _prefixes(path) for above in _above(tree.resolve(prefix) or "")}
        entered = all(self._has(tree, directory, _EXECUTE) for directory in directories)
        return entered and self._has(tree, real, bits)

    def _has(self, tree: RootTree, path: str, bits: int) -> bool:
        """Whether the mode of a file gives the user these bits. Without capabilities, root is a user like any other."""
        entry = tree.entries.get(path)
        if entry is None:
            return True
        if entry.uid == self.user:
            mode = entry.mode >> 6
        elif entry.gid in (self.group, *self.groups):
            mode = entry.mode >> 3
        else:
            mode = entry.mode
        return mode & bits == bits


def image_user(tree: RootTree, config: ImageConfig) -> ImageUser:
    """Return the user of an image. Raises `NoxPexError` `launch-failed` if the image does not have it."""
    text = config.container.user or "0"
    name, _, group_name = text.partition(":")
    rows = list(_rows(tree, "etc/passwd", _PASSWD_FIELDS))
    row = next((row for row in rows if name in (row[0], row[2])), None)
    if row is None and not name.isdecimal():
        raise _unknown(text, "/etc/passwd")
    user, group, home = (row[2], row[3], row[5]) if row else (name, "0", "/")
    groups = list(_rows(tree, "etc/group", _GROUP_FIELDS))
    if group_name:
        group = next((row[2] for row in groups if group_name in (row[0], row[2])), group_name)
    members = () if group_name or row is None else tuple(each[2] for each in groups if row[0] in each[3].split(","))
    if not group.isdecimal():
        raise _unknown(text, "/etc/group")
    found = [int(each) for each in (user, group, *members)]
    if max(found) > _HIGHEST_ID:
        raise _unknown(text, "the range of user and group ids")
    return ImageUser(text=text, user=found[0], group=found[1], groups=tuple(found[2:]), home=home or "/")


def _rows(tree: RootTree, path: str, fields: int) -> Iterator[list[str]]:
    """Yield the rows of a table such as `/etc/passwd` whose third field is an id."""
    try:
        data = tree.read(path, largest=_LARGEST)
    except (LayerError, OSError):
        return
    for line in (data or b"").decode("utf-8", "replace").splitlines():
        row = line.split(":")
        if len(row) == fields and row[2].isascii() and row[2].isdecimal():
            yield row


def _prefixes(path: str) -> Iterator[str]:
    parts = path.strip("/").split("/")
    for count in range(1, len(parts) + 1):
        yield "/".join(parts[:count])


def _above(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _unknown(text: str, where: str) -> NoxPexError:
    problem = f"user {text} of the image is not in {where}"
    return NoxPexError("launch-failed", problem, 'set `user` to a number, such as 65532 or "65532:65532"')
