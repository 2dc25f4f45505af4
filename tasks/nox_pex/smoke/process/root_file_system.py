"""Run a program as the first process of a container: in a private root file system, as another user, without rights.

The supervisor imports this file, so it may import only the standard library. It works only on Linux (5.12 or newer).
The root file system is untrusted: a link in it must not lead a mount to a file of this machine. So each path in it is
resolved by the kernel as if it were the root already (openat2(2), RESOLVE_IN_ROOT), and mounts go to open descriptors.

Fact sources: OCI runtime specification 1.2, "Default Filesystems" and "Default Devices"; the defaults of Docker and
Podman for masked and read-only paths; pivot_root(2), capabilities(7), pid_namespaces(7).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import posixpath
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from nox_pex.smoke.process import confine, kernel
from nox_pex.smoke.process.kernel import ImpossibleError, RefusedError

OVERLAY: Final = "the layers as one file system (overlayfs)"
"""The text of a refusal contains it if the kernel cannot join several directories."""
_NAMESPACES: Final = kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC
_MNT_DETACH: Final = 0x2
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_CAPABILITY_VERSION: Final = 0x20080522
"""`_LINUX_CAPABILITY_VERSION_3` in capset(2)."""
_CAPABILITIES: Final = 64
"""More than any kernel has. The kernel refuses those that it does not know with EINVAL."""
_SYS_OPENAT2: Final = 437
_SYS_KEYCTL: Final = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "loongarch64": 219, "ppc64le": 271, "s390x": 280}
"""The system call has another number on each older architecture."""
_KEYCTL_JOIN_SESSION_KEYRING: Final = 1
_RESOLVE: Final = 0x10 | 0x02
"""RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS."""
_RESOLVE_NO_SYMLINKS: Final = 0x04
_MOST_LINKS: Final = 40
"""The number of links that the kernel follows (path_resolution(7))."""
_PLAIN: Final = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
_NO_LINKS: Final = ("/proc", "/sys", "/dev")
"""Directories that may not be links in the image: the engines' runtimes refuse that too."""
_TMP: Final = "/tmp"  # noqa: S108  # in the root file system
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS: Final = {
    "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}  # fmt: skip
_MASKED: Final = (
    *("acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "timer_list", "timer_stats"),
    *("sched_debug", "scsi"),
)
"""Paths in `/proc` that show nothing."""
_MASKED_IN_SYS: Final = ("firmware", "devices/virtual/powercap", "fs/selinux")
_MOUNTED_IN_SYS: Final = (
    *("fs/bpf", "fs/fuse/connections", "fs/pstore"),
    *("kernel/config", "kernel/debug", "kernel/security", "kernel/tracing"),
)
"""File systems that this machine has mounted in its `/sys`. That of an engine is a new one, in which they are empty."""
_READ_ONLY: Final = ("bus", "fs", "irq", "sys", "sysrq-trigger")
"""Paths in `/proc` that are read-only."""
_UNPRIVILEGED_PORTS: Final = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


class _OpenHow(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("flags", "mode", "resolve"))


class RootConfinement(confine.Confinement):
    """The confinement in a root file system.

    Its `spec` has: `lower`, the directories of which the root is made, uppermost first, joined by overlayfs if
    `overlay`, otherwise only one; `place`, an empty directory of this machine; `user`, `group`, `groups`, `directory`,
    `hostname`; `files`, the texts of files that are mounted over those of the root; `shared`, directories of this
    machine that are mounted at the same path; `volumes`, writable directories of the root; `private-network`;
    `as-root`, whether this process may become any user; and `join`, a program whose container is entered.
    """

    optional_pid_namespace: bool = False

    @property
    def file_systems_of(self) -> int | None:
        """The id of the process whose file systems the program shares."""
        join: int | None = self._spec["join"]
        return join

    @property
    def _shown_as(self) -> tuple[int, int]:
        return self._spec["user"], self._spec["group"]

    def confine_supervisor(self) -> str | None:
        """Enter the network that this process shares with the program. Return why the system refused, if it did."""
        if not self._spec["private-network"]:
            return None
        try:
            if self._spec["join"] is not None:
                kernel.join_all(self._spec["join"], kernel.CLONE_NEWNET)
                return None
            self._unshare(kernel.CLONE_NEWNET)
            confine.bring_loopback_up()
        except RefusedError as refusal:
            return str(refusal)
        # As Docker does: there is no capability to listen on a port below 1024.
        with contextlib.suppress(OSError):
            _UNPRIVILEGED_PORTS.write_text("0", "ascii")
        return None

    def begin_pid_namespace(self) -> None:
        """Begin the namespace of an init outside of the container, or enter the namespaces of the running container.

        An ordinary user has the rights for it in a user namespace, in which this user is the one of the image.
        """
        if self._spec["join"] is not None:
            kernel.join_all(self._spec["join"], _NAMESPACES | kernel.CLONE_NEWPID)
            return
        kinds = kernel.CLONE_NEWPID | kernel.CLONE_NEWNS
        if self._spec["private-network"]:
            kernel.unshare(kinds, as_user=False)  # `confine_supervisor` has obtained the rights
        else:
            self._unshare(kinds)
        kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_SLAVE)

    def _unshare(self, kinds: int) -> None:
        """Move this process to new namespaces, and unless it may switch users, to a user namespace."""
        if self._spec["as-root"]:
            kernel.unshare(kinds, as_user=False)
        else:
            kernel.unshare_user(kinds, shown_as=self._shown_as)

    def prepare_init(self) -> None:
        """Let the next child of this init be the first process of the container's PID namespace.

        Two namespaces, one in the other: a signal without a handler has no effect on the first process of its
        namespace, as in a container, and the end of the init, which no program can prevent, ends everything.
        """
        if self._spec["join"] is None:
            confine.mount_proc()
            kernel.unshare(kernel.CLONE_NEWPID, as_user=False)

    def _confine(self, *, entered: bool) -> None:
        if not entered:
            msg = "the system refuses a PID namespace"
            raise RefusedError(msg)
        os.umask(0o022)
        _leave_keyring()
        if self._spec["join"] is None:
            kernel.unshare(_NAMESPACES, as_user=False)
            _enter_root(self._spec)
        # A user namespace of an ordinary user maps one user and one group, and its groups cannot be changed.
        _give_up_rights(*self._shown_as, self._spec["groups"] if self._spec["as-root"] else None)
        if self._spec["join"] is not None:
            kernel.end_with_parent()  # after the last change of the user, which clears it (prctl(2))
        try:
            os.chdir(self._spec["directory"])
        except OSError as error:
            msg = f"its working directory {self._spec['directory']} cannot be entered: {error.strerror}"
            raise ImpossibleError(error.errno or errno.ENOENT, msg) from None


def _enter_root(spec: Mapping[str, Any]) -> None:
    """Mount the root file system, and make it that of this process."""
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    place = spec["place"]
    kernel.mount("tmpfs", place, "tmpfs", _PLAIN & ~kernel.MS_NOEXEC, "mode=755")
    scratch = _directory(place)
    for name in ("upper", "work", "root"):
        os.mkdir(name, dir_fd=scratch)
    _mount_root(spec, place, scratch)
    root = _directory(f"{place}/root")
    _mount_file_systems(root)
    for path in spec["shared"]:
        _bind(root, path, _directory(path))
    os.mkdir("files", dir_fd=scratch)
    for number, (path, text) in enumerate(spec["files"].items()):
        source = f"{place}/files/{number}"
        Path(source).write_text(text, "utf-8")
        _bind(root, path, os.open(source, os.O_PATH | os.O_CLOEXEC), is_file=True)
        kernel.set_read_only(_open(root, path))
    _make(root, spec["directory"])  # engines create it too
    for path in spec["volumes"]:
        directory = _make(root, path)
        if spec["overlay"]:  # a separate mount does not become read-only with the root
            _bind_descriptor(directory, _link(directory), what=path)
        else:  # its files are those of the cache
            found = os.fstat(directory)
            options = f"mode={stat.S_IMODE(found.st_mode):o},uid={found.st_uid},gid={found.st_gid}"
            _mount_at(root, path, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)
    kernel.set_read_only(root)
    if kernel.libc.sethostname(spec["hostname"].encode(), len(spec["hostname"])) != 0:
        kernel.refuse("to set the name of the host")
    os.fchdir(root)
    if kernel.libc.pivot_root(b".", b".") != 0:
        kernel.refuse("to change the root (pivot_root)")
    if kernel.libc.umount2(b".", _MNT_DETACH) != 0:
        kernel.refuse("to unmount the old root")
    os.chdir("/")


def _mount_root(spec: Mapping[str, Any], place: str, scratch: int) -> None:
    """Mount the directories of the root at `place`, by their descriptors: a path may have a comma or a colon.

    Until it becomes read-only, new mount points are written to a file system in memory.
    """
    if not spec["overlay"]:
        (lower,) = spec["lower"]
        _bind_descriptor(_directory(lower), f"{place}/root")
        return
    lower = ":".join(_link(_directory(path)) for path in spec["lower"])
    upper, work = (_link(os.open(name, os.O_PATH | os.O_CLOEXEC, dir_fd=scratch)) for name in ("upper", "work"))
    options = f"lowerdir={lower},upperdir={upper},workdir={work}{'' if spec['as-root'] else ',userxattr'}"
    kernel.mount("overlay", f"{place}/root", "overlay", 0, options, what=OVERLAY)


def _mount_file_systems(root: int) -> None:
    """Mount `/proc`, `/sys`, `/tmp` and `/dev`, as container engines do."""
    devices = {name: os.open(f"/dev/{name}", os.O_PATH | os.O_CLOEXEC) for name in _DEVICES}
    # Both are those of this machine, and are opened before anything can cover them.
    host_sys = _directory("/sys") if Path("/sys").is_dir() else None
    _mount_at(root, "/proc", "proc", _PLAIN)
    if host_sys is not None:
        _bind(root, "/sys", host_sys)
        kernel.set_read_only(_open(root, "/sys"), recursive=True)
    _mount_at(root, _TMP, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=1777")
    _mount_at(root, "/dev", "tmpfs", kernel.MS_NOSUID, "mode=755,size=65536k")
    for name, device in devices.items():
        _bind(root, f"/dev/{name}", device, is_file=True)
    for name, target in _DEVICE_LINKS.items():
        with contextlib.suppress(FileExistsError):
            os.symlink(target, name, dir_fd=_open(root, "/dev"))
    _mount_at(root, "/dev/shm", "tmpfs", _PLAIN, "mode=1777,size=65536k")  # noqa: S108  # a mount point
    for name, options in (("pts", "newinstance,ptmxmode=0666,mode=0620"), ("mqueue", None)):
        with contextlib.suppress(RefusedError):  # not every kernel has them, or not for an ordinary user
            _mount_at(root, f"/dev/{name}", "devpts" if name == "pts" else name, _PLAIN & ~kernel.MS_NODEV, options)
    in_sys = (*_MASKED_IN_SYS, *_MOUNTED_IN_SYS)
    _hide(root, (*(f"/proc/{name}" for name in _MASKED), *(f"/sys/{name}" for name in in_sys)), devices["null"])
    for name in _READ_ONLY:
        with contextlib.suppress(FileNotFoundError):
            descriptor = _open(root, f"/proc/{name}")
            _bind_descriptor(descriptor, _link(descriptor))
            kernel.set_read_only(_open(root, f"/proc/{name}"), recursive=True)


def _hide(root: int, paths: Iterable[str], null: int) -> None:
    """Hide each path that exists: a directory by an empty one, a file by `/dev/null`."""
    for path in paths:
        try:
            descriptor = _open(root, path)
        except OSError:
            continue
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            kernel.mount("tmpfs", _link(descriptor), "tmpfs", _PLAIN | kernel.MS_RDONLY, "size=0", what=path)
        else:
            _bind_descriptor(null, _link(descriptor))


def _mount_at(root: int, path: str, kind: str, flags: int, options: str | None = None) -> None:
    """Mount a new file system at a directory of the root, which is created if it does not exist."""
    kernel.mount(kind, _link(_make(root, path)), kind, flags, options, what=path)


def _bind(root: int, path: str, source: int, *, is_file: bool = False) -> None:
    """Mount the open file or directory `source` at a path of the root, which is created if it does not exist."""
    _bind_descriptor(source, _link(_make(root, path, is_file=is_file)), what=path)


def _bind_descriptor(source: int, target: str, *, what: str = "") -> None:
    kernel.mount(_link(source), target, None, kernel.MS_BIND | kernel.MS_REC, what=what)


def _directory(path: str) -> int:
    with kernel.refusing(f"open {path}"):
        return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _link(descriptor: int) -> str:
    """Return the path of an open file, without following any link on the way."""
    return f"/proc/self/fd/{descriptor}"


def _open(root: int, path: str) -> int:
    """Open a path in the root, without rights to read or write. A link is followed inside of the root only."""
    resolve = _RESOLVE | (_RESOLVE_NO_SYMLINKS if path in _NO_LINKS else 0)
    how = _OpenHow(flags=os.O_PATH | os.O_CLOEXEC, mode=0, resolve=resolve)
    size = ctypes.c_size_t(ctypes.sizeof(how))
    descriptor = kernel.libc.syscall(_SYS_OPENAT2, root, os.fsencode(path), ctypes.byref(how), size)
    if descriptor < 0:
        number = ctypes.get_errno()
        if number == errno.ENOSYS:
            msg = "only Linux 5.12 or newer supports this condition"
            raise RefusedError(msg)
        raise OSError(number, os.strerror(number), path)
    return int(descriptor)


def _make(root: int, path: str, *, is_file: bool = False, links: int = _MOST_LINKS) -> int:
    """Open a file or directory in the root, which is created if it does not exist, with the directories above it.

    A link that leads nowhere is followed too, as the engines' runtime does.
    """
    path = posixpath.normpath(f"/{path.lstrip('/')}")
    try:
        descriptor = _open(root, path)
    except FileNotFoundError:
        return _create(root, path, is_file=is_file, links=links)
    except OSError as error:
        msg = f"the image has no usable {path}: {error.strerror}"
        raise ImpossibleError(error.errno or errno.EIO, msg) from None
    if stat.S_ISDIR(os.fstat(descriptor).st_mode) == is_file:
        msg = f"the image has {'a directory' if is_file else 'no directory'} at {path}"
        raise ImpossibleError(errno.EISDIR if is_file else errno.ENOTDIR, msg)
    return descriptor


def _create(root: int, path: str, *, is_file: bool, links: int) -> int:
    above, name = posixpath.split(path)
    parent = _make(root, above, links=links)
    try:
        if is_file:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=parent))
        else:
            os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:  # a link that leads nowhere
        if links == 0:
            msg = f"the image has too many links at {path}"
            raise ImpossibleError(errno.ELOOP, msg) from None
        with contextlib.suppress(OSError):
            target = os.readlink(name, dir_fd=parent)
            return _make(root, posixpath.join(above, target), is_file=is_file, links=links - 1)
    except OSError as error:
        msg = f"the image lacks {path}, and it cannot be created: {error.strerror}"
        raise ImpossibleError(error.errno or errno.EIO, msg) from None
    return _open(root, path)


def _leave_keyring() -> None:
    """Leave the keyring of this session for an empty one, as the engines' runtimes do (keyctl(2)).

    A kernel without keyrings has nothing to leave.
    """
    number = _SYS_KEYCTL.get(os.uname().machine)
    if number is not None:
        kernel.libc.syscall(number, _KEYCTL_JOIN_SESSION_KEYRING, None)


def _give_up_rights(user: int, group: int, groups: Iterable[int] | None) -> None:
    """Become another user without capabilities, for good. `groups` None means that they cannot be changed."""
    for capability in range(_CAPABILITIES):
        if kernel.libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 and ctypes.get_errno() != errno.EINVAL:
            kernel.refuse("to drop a capability")
    kernel.libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    with kernel.refusing(f"become user {user}"):
        for stream in (1, 2):
            os.fchown(stream, user, group)  # so that the program can open /dev/stdout
        if groups is not None:
            os.setgroups(list(groups))
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    if kernel.libc.capset(header, (ctypes.c_uint32 * 6)()) != 0:
        kernel.refuse("to drop the capabilities")
    if kernel.libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        kernel.refuse("to forbid new rights")
