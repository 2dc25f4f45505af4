"""The system calls that confine a program: namespaces and mounts, each refused with a reason.

The supervisor imports this file, so it may import only the standard library. It works only on Linux.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000
MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000
MS_SLAVE: Final = 0x80000
_PR_SET_PDEATHSIG: Final = 1
_AT_FDCWD: Final = -100
_AT_EMPTY_PATH: Final = 0x1000
_AT_RECURSIVE: Final = 0x8000
_MOUNT_ATTR_RDONLY: Final = 0x1
_SYS_MOUNT_SETATTR: Final = 442
"""The same number on every architecture except Alpha, as for all system calls since Linux 5.1."""

libc: Final = ctypes.CDLL(None, use_errno=True)


class RefusedError(Exception):
    """The kernel refuses to confine the program. The text says what it refused, and why."""


class ImpossibleError(Exception):
    """The program cannot be started in its root file system, whatever the kernel allows. `number` is an errno."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number


class _MountAttr(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd"))


def unshare(kind: int, *, as_user: bool = True) -> None:
    """Move this process to a new namespace of a kind, inside a new user namespace if it has no right to one.

    `as_user` says whether a user namespace may be used.
    """
    if libc.unshare(kind) == 0:
        return
    if ctypes.get_errno() != errno.EPERM or not as_user:
        refuse("a namespace")
    unshare_user(kind)


def unshare_user(kind: int = 0, *, shown_as: tuple[int, int] | None = None) -> None:
    """Move this process to a new user namespace, in which its user and group are shown as `shown_as`."""
    user, group = os.geteuid(), os.getegid()
    shown_user, shown_group = shown_as or (user, group)
    if libc.unshare(CLONE_NEWUSER | kind) != 0:
        refuse("a user namespace")
    with refusing("map a user into a namespace"):
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{shown_user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{shown_group} {group} 1", encoding="ascii")


def join(pid: int, name: str, kind: int) -> None:
    """Enter a namespace of another process, and the user namespace to which it belongs."""
    for each, flag in (("user", CLONE_NEWUSER), (name, kind)):
        other = f"/proc/{pid}/ns/{each}"
        with refusing("find the running program"):
            # It is an error to enter the current user namespace again (setns(2)).
            if is_shared(pid, each):
                continue
            descriptor = os.open(other, os.O_RDONLY | os.O_CLOEXEC)
        if libc.setns(descriptor, flag) != 0:
            refuse("to enter the program's namespace")
        os.close(descriptor)


def join_all(pid: int, kinds: int) -> None:
    """Enter several namespaces of another process at once, and its user namespace.

    One call, because the right to enter some of them may be lost in the user namespace (setns(2), since Linux 5.8).
    """
    with refusing("find the running program"):
        kinds |= 0 if is_shared(pid, "user") else CLONE_NEWUSER
        descriptor = os.pidfd_open(pid)
    if libc.setns(descriptor, kinds) != 0:
        refuse("to enter the program's namespaces")
    os.close(descriptor)


def is_shared(pid: int, name: str) -> bool:
    """Whether a process is in the same namespace of a kind as this one. Raises `OSError` if it does not exist."""
    return os.path.samestat(Path(f"/proc/{pid}/ns/{name}").stat(), Path(f"/proc/self/ns/{name}").stat())


def end_with_parent() -> None:
    """Let the kernel kill this process when its parent ends."""
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        refuse("to end a process with its parent")


def set_read_only(path: str | int, *, recursive: bool = False, clear: bool = False) -> None:
    """Make the mount at a path, or at an open directory, read-only, or with `clear` writable again."""
    attributes = _MountAttr(**{"attr_clr" if clear else "attr_set": _MOUNT_ATTR_RDONLY})
    flags = (_AT_RECURSIVE if recursive else 0) | (_AT_EMPTY_PATH if isinstance(path, int) else 0)
    directory, name = (path, b"") if isinstance(path, int) else (_AT_FDCWD, os.fsencode(path))
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    if libc.syscall(_SYS_MOUNT_SETATTR, directory, name, flags, ctypes.byref(attributes), size) != 0:
        if ctypes.get_errno() == errno.ENOSYS:
            msg = "only Linux 5.12 or newer supports this condition"
            raise RefusedError(msg)
        refuse(f"to make {path} {'writable' if clear else 'read-only'}")


def tmpfs(path: str, *, size: int, mode: int) -> None:
    """Mount an empty file system of `size` bytes at `path`."""
    mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, f"size={size},mode={mode:o}")


def mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None = None, *, what: str = ""
) -> None:
    """Mount a file system. `what` names it in a refusal, if `target` does not. The rest is as for the system call."""
    texts = (None if text is None else os.fsencode(text) for text in (source, target, kind))
    arguments = (*texts, ctypes.c_ulong(flags), None if options is None else options.encode())
    if libc.mount(*arguments) != 0:
        refuse(f"to mount {what or target}")


def refuse(what: str) -> None:
    """Raise `RefusedError` with the error of the last system call."""
    number = ctypes.get_errno()
    # unshare(2) fails with ENOSPC at the limit on namespaces. The usual text speaks of a full disk.
    reason = "their limit is reached (user.max_*_namespaces)" if number == errno.ENOSPC else os.strerror(number)
    msg = f"the system refuses {what}: {reason}"
    raise RefusedError(msg)


@contextlib.contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn an `OSError` into a `RefusedError` that says what the system refused to do."""
    try:
        yield
    except OSError as error:
        msg = f"the system refuses to {what}: {error.strerror}"
        raise RefusedError(msg) from None
