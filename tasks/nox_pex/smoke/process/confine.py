"""Confine a program just before it starts: take away its network, its writable file systems or its user.

The supervisor imports this file, so it may import only the standard library. It works only on Linux and uses
system calls directly: first with the rights of this process, then in a user namespace, in which an ordinary user has
the same rights over its own resources (user_namespaces(7)). If the kernel refuses both, it raises `RefusedError`.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from nox_pex.smoke.process import kernel
from nox_pex.smoke.process.kernel import ImpossibleError, RefusedError

_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108  # a mount point, not a file that nox-pex creates
_SHARED_MEMORY_BYTES: Final = 64 * 2**20
_LONGEST_REPORT: Final = 4096
"""Bytes that are written to a pipe at once (pipe(7))."""


class Confinement:
    """The confinement that `spec` describes: of the network, the file systems or the user of this machine."""

    optional_pid_namespace: bool = True
    """Whether the program may also run if the kernel refuses it a PID namespace."""

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

    def begin_pid_namespace(self) -> None:
        """Give the next child of this process a PID namespace. Raises `RefusedError`."""
        enter_new_pid_namespace(self.file_systems_of)

    def prepare_init(self) -> None:
        """Prepare the init of the PID namespace, which is this process. Raises `RefusedError`."""
        mount_proc()

    def confine_program(self, *, entered: bool) -> None:
        """Confine this process, in the child just before it executes the program.

        `entered` says that `begin_pid_namespace` was called for it. `subprocess` does not pass on the text of an
        exception that is raised here, so a pipe does.
        """
        try:
            self._confine(entered=entered)
        except ImpossibleError as impossible:
            self._report(failed=impossible.number, reason=str(impossible))
            raise
        except (RefusedError, OSError) as refusal:
            self._report(refused=str(refusal))
            raise

    def _confine(self, *, entered: bool) -> None:
        if entered and self.file_systems_of is not None:
            os.chdir(self._spec["cwd"])
        else:
            confine(self._spec)

    def _report(self, **event: object) -> None:
        os.write(self._writer, json.dumps(event).encode()[:_LONGEST_REPORT])

    @property
    def refusal(self) -> dict[str, Any]:
        """Return the event that says why the program cannot be confined, or cannot be started in its confinement."""
        with contextlib.suppress(BlockingIOError, ValueError):
            return dict(json.loads(os.read(self._reader, _LONGEST_REPORT)))
        return {"refused": "the system refuses it"}


def enter_new_pid_namespace(join: int | None) -> None:
    """Give the next child of this process a new PID namespace, and this process private mounts.

    With `join`, enter the file systems of that process first. Mounts of this machine still appear in the private ones.
    Root gets no user namespace for it: only one user exists there, and a server could not give up root's rights.
    """
    if join is not None:
        kernel.join(join, "mnt", kernel.CLONE_NEWNS)
    kernel.unshare(kernel.CLONE_NEWPID | kernel.CLONE_NEWNS, as_user=os.geteuid() != 0)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_SLAVE)


def mount_proc() -> None:
    """Mount a `/proc` that shows the PID namespace of this process. The old one shows other processes by its ids."""
    kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)


def shares_pid_namespace(pid: int) -> bool:
    """Whether a process is in the same PID namespace as this one."""
    with contextlib.suppress(OSError):
        return kernel.is_shared(pid, "pid")
    return False


def enter_network(join: int | None) -> None:
    """Move this process and its future children to a new network with only a loopback, or to that of process `join`."""
    if join is not None:
        kernel.join(join, "net", kernel.CLONE_NEWNET)
        return
    kernel.unshare(kernel.CLONE_NEWNET)
    bring_loopback_up()


def bring_loopback_up() -> None:
    """Bring the loopback of a new network up."""
    import fcntl  # noqa: PLC0415  # slow to load, and only needed for a new network
    import socket  # noqa: PLC0415  # slow to load, and only needed for a new network
    import struct  # noqa: PLC0415  # slow to load, and only needed for a new network

    with kernel.refusing("bring loopback up"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
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
        kernel.join(join, "mnt", kernel.CLONE_NEWNS)
        return
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    covered = [path for path in visible if any(Path(path).is_relative_to(cover) for cover in (tmp, _SHARED_MEMORY))]
    hidden = _open_directories([*covered, *writable])
    kernel.set_read_only("/", recursive=True)
    if Path(_SHARED_MEMORY).is_dir():
        # A container with a read-only root has one too. POSIX semaphores need it (sem_overview(7)).
        kernel.tmpfs(_SHARED_MEMORY, size=_SHARED_MEMORY_BYTES, mode=0o1777)
    kernel.tmpfs(tmp, size=tmp_bytes, mode=0o1777)
    _bind_back(hidden)
    for path in writable:
        kernel.set_read_only(path, clear=True)


def unprivileged(user: int, *, visible: Iterable[str]) -> None:
    """Switch this process to another user, without groups or capabilities, that can read the directories `visible`.

    If this process may not switch users, it keeps its user and shows it as `user` in a user namespace.
    """
    try:
        os.setgroups([])
    except OSError:
        kernel.unshare_user(shown_as=(user, user))
        return
    closed = tuple(closed_directories(visible))
    if closed:
        try:
            kernel.unshare(kernel.CLONE_NEWNS)
        except RefusedError as refusal:
            msg = f"user {user} may not enter {closed[0]}, and {refusal}"
            raise RefusedError(msg) from None
        kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        # Replace the directories that others may not enter by ones that contain only the visible directories.
        hidden = _open_directories(
            path for path in visible if any(Path(path).is_relative_to(directory) for directory in closed)
        )
        for directory in closed:
            kernel.tmpfs(directory, size=2**20, mode=0o755)
        _bind_back(hidden)
    with kernel.refusing(f"become user {user}"):
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
        with kernel.refusing(f"create {path}"):
            Path(path).mkdir(parents=True, exist_ok=True)
        kernel.mount(f"/proc/self/fd/{descriptor}", path, None, kernel.MS_BIND | kernel.MS_REC)
    os.umask(mask)
