"""Takes rights away from a program just before it starts: a network, a file system to write to, its user.

The supervisor loads this file by its path, so it needs nothing but the standard library. Linux alone: it asks the
kernel itself, first with the rights that this process has, then in a user namespace, which gives an ordinary user
those rights over what is its own. Where the kernel refuses both, it is `RefusedError`, and says why.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

_CLONE_NEWNS: Final = 0x00020000
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_MS_NOSUID: Final = 0x2
_MS_NODEV: Final = 0x4
_MS_BIND: Final = 0x1000
_MS_REC: Final = 0x4000
_MS_PRIVATE: Final = 0x40000
_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
_MOUNT_ATTR_RDONLY: Final = 0x1
_SYS_MOUNT_SETATTR: Final = 442
"""The same on every architecture but Alpha, as all system calls since Linux 5.1."""
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108  # a place of the system, not a file of ours
_SHARED_MEMORY_BYTES: Final = 64 * 2**20

_libc: Final = ctypes.CDLL(None, use_errno=True)


class RefusedError(Exception):
    """The kernel does not give this condition; the text says what it refused."""


class _MountAttr(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd"))


def own_network(join: int | None) -> None:
    """Gives this process, and all that it starts, a network of loopback alone, or that of the process `join`."""
    if join is not None:
        _join(join, "net", _CLONE_NEWNET)
        return
    _unshare(_CLONE_NEWNET)
    import fcntl  # noqa: PLC0415  # this and the next are slow to load, and of use here alone
    import socket  # noqa: PLC0415
    import struct  # noqa: PLC0415

    with _told("bring loopback up"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", _IFF_UP))


def confine(spec: Mapping[str, Any]) -> None:
    """Confines this very process, which is about to become the program, in the way that `spec` describes."""
    if spec["kind"] == "read-only":
        read_only(
            spec["join"], tmp=spec["tmp"], tmp_bytes=spec["tmp-bytes"], kept=spec["kept"], writable=spec["writable"]
        )
    elif spec["kind"] == "unprivileged":
        unprivileged(spec["user"], kept=spec["kept"])
    # Popen went there before anything was mounted.
    os.chdir(spec["cwd"])


def read_only(join: int | None, *, tmp: str, tmp_bytes: int, kept: Iterable[str], writable: Iterable[str]) -> None:
    """Makes every file system read-only but a new one of `tmp_bytes` at `tmp`, and the directories `writable`.

    What is `kept` stays visible below `tmp`. With `join` it is all as the process of that id has it.
    """
    if join is not None:
        _join(join, "mnt", _CLONE_NEWNS)
        return
    _unshare(_CLONE_NEWNS)
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    covered = [path for path in kept if any(Path(path).is_relative_to(cover) for cover in (tmp, _SHARED_MEMORY))]
    hidden = _opened([*covered, *writable])
    _set_read_only("/", recursive=True)
    if Path(_SHARED_MEMORY).is_dir():
        # As in a container whose root is read-only: without it there are no POSIX semaphores.
        _tmpfs(_SHARED_MEMORY, size=_SHARED_MEMORY_BYTES, mode=0o1777)
    _tmpfs(tmp, size=tmp_bytes, mode=0o1777)
    _show(hidden)
    for path in writable:
        _set_read_only(path, clear=True)


def unprivileged(user: int, *, kept: Iterable[str]) -> None:
    """Makes this process that of another user, with no group and no capability; it can still read what is `kept`.

    Where this process may not become just anybody, it calls itself so in a user namespace.
    """
    try:
        os.setgroups([])
    except OSError:
        _unshare_user(shown_as=user)
        return
    covers = tuple(hiding(kept))
    if covers:
        try:
            _unshare(_CLONE_NEWNS)
        except RefusedError as refusal:
            msg = f"user {user} may not enter {covers[0]}, and {refusal}"
            raise RefusedError(msg) from None
        _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
        # The directories that others may not enter are replaced by ones that hold nothing but what is kept.
        hidden = _opened(path for path in kept if any(Path(path).is_relative_to(cover) for cover in covers))
        for cover in covers:
            _tmpfs(cover, size=2**20, mode=0o755)
        _show(hidden)
    with _told(f"become user {user}"):
        for stream in (1, 2):
            os.fchown(stream, user, user)  # a program may open /dev/stdout by that name
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


def hiding(kept: Iterable[str]) -> Iterator[str]:
    """The uppermost directories above what is `kept` that only their owner may enter, each once."""
    found: set[Path] = set()
    for path in kept:
        for parent in reversed(Path(path).parents):
            if not parent.stat().st_mode & stat.S_IXOTH:
                found.add(parent)
                break
    yield from sorted(map(str, found))


def _opened(paths: Iterable[str]) -> dict[str, int]:
    """Each directory, opened while it can still be seen; the outer ones first."""
    there = {path for path in paths if os.path.isdir(path)}  # noqa: PTH112  # pathlib raises where one may not look
    unique = sorted(there, key=lambda path: len(Path(path).parts))
    return {path: os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in unique}


def _show(hidden: Mapping[str, int]) -> None:
    """Puts each directory back at its path, in a file system that covers it."""
    mask = os.umask(0o022)
    for path, descriptor in hidden.items():
        with _told(f"make {path}"):
            Path(path).mkdir(parents=True, exist_ok=True)
        _mount(f"/proc/self/fd/{descriptor}", path, None, _MS_BIND | _MS_REC)
    os.umask(mask)


def _unshare(kind: int) -> None:
    """A namespace of that kind for this process, in a user namespace where it has no right to it otherwise."""
    if _libc.unshare(kind) == 0:
        return
    if ctypes.get_errno() != errno.EPERM:
        _refuse("a namespace")
    _unshare_user(kind)


def _unshare_user(kind: int = 0, *, shown_as: int | None = None) -> None:
    user, group = os.geteuid(), os.getegid()
    if _libc.unshare(_CLONE_NEWUSER | kind) != 0:
        _refuse("a user namespace")
    with _told("map a user into a namespace"):
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user if shown_as is None else shown_as} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group if shown_as is None else shown_as} {group} 1", encoding="ascii")


def _join(pid: int, name: str, kind: int) -> None:
    """Enters a namespace of another process, and the user namespace that it lies in."""
    for each, flag in (("user", _CLONE_NEWUSER), (name, kind)):
        other = f"/proc/{pid}/ns/{each}"
        with _told("find the running program"):
            # It is an error to enter the user namespace in which one is.
            if os.stat(other).st_ino == os.stat(f"/proc/self/ns/{each}").st_ino:  # noqa: PTH116  # as above
                continue
            descriptor = os.open(other, os.O_RDONLY | os.O_CLOEXEC)
        if _libc.setns(descriptor, flag) != 0:
            _refuse("to enter the program's namespace")
        os.close(descriptor)


def _set_read_only(path: str, *, recursive: bool = False, clear: bool = False) -> None:
    attributes = _MountAttr(**{"attr_clr" if clear else "attr_set": _MOUNT_ATTR_RDONLY})
    flags = _AT_RECURSIVE if recursive else 0
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    arguments = (_AT_FDCWD, os.fsencode(path), flags, ctypes.byref(attributes), size)
    if _libc.syscall(_SYS_MOUNT_SETATTR, *arguments) != 0:
        if ctypes.get_errno() == errno.ENOSYS:
            msg = "it takes Linux 5.12 or newer"
            raise RefusedError(msg)
        _refuse(f"to make {path} {'writable' if clear else 'read-only'}")


def _tmpfs(path: str, *, size: int, mode: int) -> None:
    _mount("tmpfs", path, "tmpfs", _MS_NOSUID | _MS_NODEV, f"size={size},mode={mode:o}")


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = (None if text is None else os.fsencode(text) for text in (source, target, kind))
    arguments = (*texts, ctypes.c_ulong(flags), None if options is None else options.encode())
    if _libc.mount(*arguments) != 0:
        _refuse(f"to mount {target}")


def _refuse(what: str) -> None:
    number = ctypes.get_errno()
    # unshare(2) says so with an error that speaks of disks to everybody else.
    reason = "there may be no more (user.max_*_namespaces)" if number == errno.ENOSPC else os.strerror(number)
    msg = f"the system refuses {what}: {reason}"
    raise RefusedError(msg)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"the system refuses to {what}: {error.strerror}"
        raise RefusedError(msg) from None
