"""Confine a program just before it starts: take away its network, its writable file systems or its user.

The supervisor imports this file, so it may import only the standard library. It works only on Linux and uses
system calls directly: first with the rights of this process, then in a user namespace, in which an ordinary user has
the same rights over its own resources (user_namespaces(7)). If the kernel refuses both, it raises `RefusedError`.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

_CLONE_NEWNS: Final = 0x00020000
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWPID: Final = 0x20000000
_CLONE_NEWNET: Final = 0x40000000
_MS_NOSUID: Final = 0x2
_MS_NODEV: Final = 0x4
_MS_NOEXEC: Final = 0x8
_MS_BIND: Final = 0x1000
_MS_REC: Final = 0x4000
_MS_PRIVATE: Final = 0x40000
_MS_SLAVE: Final = 0x80000
_PR_SET_PDEATHSIG: Final = 1
_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
_MOUNT_ATTR_RDONLY: Final = 0x1
_SYS_MOUNT_SETATTR: Final = 442
"""The same number on every architecture except Alpha, as for all system calls since Linux 5.1."""
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108  # a mount point, not a file that nox-pex creates
_SHARED_MEMORY_BYTES: Final = 64 * 2**20

_libc: Final = ctypes.CDLL(None, use_errno=True)


class RefusedError(Exception):
    """The kernel refuses to confine the program. The text says what it refused, and why."""


class _MountAttr(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd"))


class Confinement:
    """The confinement that `spec` describes. `refusal` says why the system refused it, if that is known."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = spec
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)

    @property
    def file_systems_of(self) -> int | None:
        """The id of the process whose file systems the program shares."""
        join: int | None = self._spec["join"] if self._spec["kind"] == "read-only" else None
        return join

    def confine_supervisor(self) -> str | None:
        """Enter the network that this process shares with the program. Return why the system refused, if it did."""
        if self._spec["kind"] == "offline":
            try:
                enter_network(self._spec["join"])
            except RefusedError as refusal:
                return str(refusal)
        return None

    def confine_program(self, *, entered: bool) -> None:
        """Confine this process, in the child just before it executes the program.

        `entered` says that it is already in the file systems of the process `file_systems_of`. `subprocess` does not
        pass on the text of an exception that is raised here, so a pipe does.
        """
        try:
            if entered and self.file_systems_of is not None:
                os.chdir(self._spec["cwd"])
            else:
                confine(self._spec)
        except (RefusedError, OSError) as refusal:
            os.write(self._writer, str(refusal).encode(errors="replace"))
            raise

    @property
    def refusal(self) -> str:
        """Return why the system refused to confine the program."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self._reader, 4096).decode()
        return "the system refuses it"


def enter_new_pid_namespace(join: int | None) -> None:
    """Give the next child of this process a new PID namespace, and this process private mounts.

    With `join`, enter the file systems of that process first. Mounts of this machine still appear in the private ones.
    Root gets no user namespace for it: only one user exists there, and a server could not give up root's rights.
    """
    if join is not None:
        _join(join, "mnt", _CLONE_NEWNS)
    _unshare(_CLONE_NEWPID | _CLONE_NEWNS, as_user=os.geteuid() != 0)
    _mount(None, "/", None, _MS_REC | _MS_SLAVE)


def mount_proc() -> None:
    """Mount a `/proc` that shows the PID namespace of this process. The old one shows other processes by its ids."""
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)


def end_with_parent() -> None:
    """Let the kernel kill this process when its parent ends."""
    if _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        _refuse("to end a process with its parent")


def shares_pid_namespace(pid: int) -> bool:
    """Whether a process is in the same PID namespace as this one."""
    with contextlib.suppress(OSError):
        return os.path.samestat(Path(f"/proc/{pid}/ns/pid").stat(), Path("/proc/self/ns/pid").stat())
    return False


def enter_network(join: int | None) -> None:
    """Move this process and its future children to a new network with only a loopback, or to that of process `join`."""
    if join is not None:
        _join(join, "net", _CLONE_NEWNET)
        return
    _unshare(_CLONE_NEWNET)
    import fcntl  # noqa: PLC0415  # slow to load, and only needed for a new network
    import socket  # noqa: PLC0415  # slow to load, and only needed for a new network
    import struct  # noqa: PLC0415  # slow to load, and only needed for a new network

    with _refusing("bring loopback up"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", _IFF_UP))


def confine(spec: Mapping[str, Any]) -> None:
    """Confine this process, which is about to execute the program, as `spec` describes."""
    if spec["kind"] == "read-only":
        read_only(
            spec["join"],
            tmp=spec["tmp"],
            tmp_bytes=spec["tmp-bytes"],
            visible=spec["visible"],
            writable=spec["writable"],
        )
    elif spec["kind"] == "unprivileged":
        unprivileged(spec["user"], visible=spec["visible"])
    # Popen changed to this directory before anything was mounted over it.
    os.chdir(spec["cwd"])


def read_only(join: int | None, *, tmp: str, tmp_bytes: int, visible: Iterable[str], writable: Iterable[str]) -> None:
    """Make every file system read-only, except a new one of `tmp_bytes` at `tmp` and the directories `writable`.

    The directories `visible` stay visible below `tmp`. With `join`, enter the file systems of that process instead.
    """
    if join is not None:
        _join(join, "mnt", _CLONE_NEWNS)
        return
    _unshare(_CLONE_NEWNS)
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    covered = [path for path in visible if any(Path(path).is_relative_to(cover) for cover in (tmp, _SHARED_MEMORY))]
    hidden = _open_directories([*covered, *writable])
    _set_read_only("/", recursive=True)
    if Path(_SHARED_MEMORY).is_dir():
        # A container with a read-only root has one too. POSIX semaphores need it (sem_overview(7)).
        _tmpfs(_SHARED_MEMORY, size=_SHARED_MEMORY_BYTES, mode=0o1777)
    _tmpfs(tmp, size=tmp_bytes, mode=0o1777)
    _bind_back(hidden)
    for path in writable:
        _set_read_only(path, clear=True)


def unprivileged(user: int, *, visible: Iterable[str]) -> None:
    """Switch this process to another user, without groups or capabilities, that can read the directories `visible`.

    If this process may not switch users, it keeps its user and shows it as `user` in a user namespace.
    """
    try:
        os.setgroups([])
    except OSError:
        _unshare_user(shown_as=user)
        return
    closed = tuple(closed_directories(visible))
    if closed:
        try:
            _unshare(_CLONE_NEWNS)
        except RefusedError as refusal:
            msg = f"user {user} may not enter {closed[0]}, and {refusal}"
            raise RefusedError(msg) from None
        _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
        # Replace the directories that others may not enter by ones that contain only the visible directories.
        hidden = _open_directories(
            path for path in visible if any(Path(path).is_relative_to(directory) for directory in closed)
        )
        for directory in closed:
            _tmpfs(directory, size=2**20, mode=0o755)
        _bind_back(hidden)
    with _refusing(f"become user {user}"):
        for stream in (1, 2):
            os.fchown(stream, user, user)  # so that the program can open /dev/stdout
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


def closed_directories(paths: Iterable[str]) -> Iterator[str]:
    """Yield the uppermost directory above each of `paths` that other users may not enter, sorted, each once."""
    found: set[Path] = set()
    for path in paths:
        for parent in reversed(Path(path).parents):
            if not parent.stat().st_mode & stat.S_IXOTH:
                found.add(parent)
                break
    yield from sorted(map(str, found))


def _open_directories(paths: Iterable[str]) -> dict[str, int]:
    """Open the directories that exist, before they are hidden. Return path and descriptor, outer directories first."""
    existing = {path for path in paths if os.path.isdir(path)}  # noqa: PTH112  # pathlib raises without permission
    unique = sorted(existing, key=lambda path: len(Path(path).parts))
    return {path: os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in unique}


def _bind_back(hidden: Mapping[str, int]) -> None:
    """Mount each directory at its path again, on top of the file system that hides it."""
    mask = os.umask(0o022)
    for path, descriptor in hidden.items():
        with _refusing(f"create {path}"):
            Path(path).mkdir(parents=True, exist_ok=True)
        _mount(f"/proc/self/fd/{descriptor}", path, None, _MS_BIND | _MS_REC)
    os.umask(mask)


def _unshare(kind: int, *, as_user: bool = True) -> None:
    """Move this process to a new namespace of a kind, inside a new user namespace if it has no right to one.

    `as_user` says whether a user namespace may be used.
    """
    if _libc.unshare(kind) == 0:
        return
    if ctypes.get_errno() != errno.EPERM or not as_user:
        _refuse("a namespace")
    _unshare_user(kind)


def _unshare_user(kind: int = 0, *, shown_as: int | None = None) -> None:
    user, group = os.geteuid(), os.getegid()
    if _libc.unshare(_CLONE_NEWUSER | kind) != 0:
        _refuse("a user namespace")
    with _refusing("map a user into a namespace"):
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user if shown_as is None else shown_as} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group if shown_as is None else shown_as} {group} 1", encoding="ascii")


def _join(pid: int, name: str, kind: int) -> None:
    """Enter a namespace of another process, and the user namespace to which it belongs."""
    for each, flag in (("user", _CLONE_NEWUSER), (name, kind)):
        other = f"/proc/{pid}/ns/{each}"
        with _refusing("find the running program"):
            # It is an error to enter the current user namespace again (setns(2)).
            if Path(other).stat().st_ino == Path(f"/proc/self/ns/{each}").stat().st_ino:
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
            msg = "only Linux 5.12 or newer supports this condition"
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
    # unshare(2) fails with ENOSPC at the limit on namespaces. The usual text speaks of a full disk.
    reason = "their limit is reached (user.max_*_namespaces)" if number == errno.ENOSPC else os.strerror(number)
    msg = f"the system refuses {what}: {reason}"
    raise RefusedError(msg)


@contextlib.contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Turn an `OSError` into a `RefusedError` that says what the system refused to do."""
    try:
        yield
    except OSError as error:
        msg = f"the system refuses to {what}: {error.strerror}"
        raise RefusedError(msg) from None
