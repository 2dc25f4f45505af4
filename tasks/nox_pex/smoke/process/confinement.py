"""The confinement of a program, as the process that starts its supervisor describes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct


class Confinement(Struct, frozen=True, kw_only=True):
    """The rights that `confine.py` takes away from a program on Linux.

    `offline`: its network is a private loopback. `read-only`: it can write only to a private `/tmp` of `tmp_bytes` and
    to the directories `writable`. `unprivileged`: it runs as the user id `user`, without groups or capabilities. The
    directories `visible` stay visible below directories that are replaced. `join` is the process id of a program that
    was confined in the same way: the new program then shares its network or its file systems.
    """

    kind: Literal["offline", "read-only", "unprivileged"]
    user: int
    tmp_bytes: int
    visible: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    join: int | None = None

    @property
    def private_network(self) -> bool:
        """Whether the supervisor is in the program's network, and hands out sockets of it."""
        return self.kind == "offline"

    def spec(self, *, cwd: Path) -> dict[str, object]:
        """Return it as JSON values, as `confine.py` reads it."""
        return {
            "kind": self.kind,
            "join": self.join,
            "user": self.user,
            "tmp": "/tmp",  # noqa: S108  # a private file system is mounted there
            "tmp-bytes": self.tmp_bytes,
            "visible": self.visible,
            "writable": self.writable,
            "cwd": str(cwd),
        }


class RootConfinement(Struct, frozen=True, kw_only=True):
    """A root file system on Linux, in which a program is the first process, without capabilities.

    The root is read-only, with a private `/tmp`. It is made of the directories `lower`, uppermost first: joined by the
    kernel if `overlay`, otherwise only one, in which missing mount points are created. `place` is an empty directory.
    The program gets the ids `user`, `group` and `groups`, and the working directory `directory`. `files` are the texts
    of files that cover those of the root. `shared` are directories of this machine that are visible at the same path.
    `volumes` are directories of the root to which the program may write.
    `as_root` says whether this process may become any user; otherwise it is shown as `user` in a user namespace. `join`
    is the process id of a program whose container the new one enters.
    """

    lower: tuple[str, ...]
    overlay: bool
    place: Path
    user: int
    group: int
    groups: tuple[int, ...] = ()
    directory: str = "/"
    hostname: str
    files: Mapping[str, str] = {}
    shared: tuple[Path, ...] = ()
    volumes: tuple[str, ...] = ()
    private_network: bool = False
    as_root: bool = False
    join: int | None = None

    def spec(self, *, cwd: Path) -> dict[str, object]:  # noqa: ARG002  # it has its own working directory
        """Return it as JSON values, as `root_file_system.py` reads it."""
        return {
            "kind": "root",
            "join": self.join,
            "lower": self.lower,
            "overlay": self.overlay,
            "place": str(self.place),
            "user": self.user,
            "group": self.group,
            "groups": self.groups,
            "directory": self.directory,
            "hostname": self.hostname,
            "files": dict(self.files),
            "volumes": self.volumes,
            "shared": [str(path) for path in self.shared],
            "private-network": self.private_network,
            "as-root": self.as_root,
        }
