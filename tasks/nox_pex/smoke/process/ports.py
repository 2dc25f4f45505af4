"""Find free ports, and find out which process listens on one."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import random
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal

import psutil
from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.smoke.process.network import HERE, Network

Owner = Literal["nobody", "ours", "foreign", "unknown"]
"""The owner of the listener at an address. `unknown`: this user may not see the owner."""


ProcessIds = Callable[[], Iterable[int]]
"""Returns the process ids of the program's process tree. Called only if something listens."""


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


_LINUX: Final = sys.platform == "linux"


_CANDIDATES: Final = range(15_000, 32_000)
"""Ports that people rarely choose, below the range that Linux assigns by itself (32768 and up)."""


_LISTENING: Final = "0A"
"""TCP_LISTEN in `/proc/net/tcp` (proc(5))."""


_UNIX_LISTENING: Final = 0x10000
"""The flag `__SO_ACCEPTCON` in `/proc/net/unix` (proc(5))."""


_CREDENTIALS: Final = struct.Struct("iII")
"""`struct ucred` (unix(7)): process id, user id, group id."""


_UNKNOWN_PID: Final = -1


_UNPRIVILEGED_PORTS: Final = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
"""The first port that needs no capability (ip(7))."""


_CONNECT_TIMEOUT: Final = 1.0
"""Seconds in which a connection must open."""


class Listener(Struct, frozen=True, kw_only=True):
    """A listening TCP socket. `inode` is the number to which the owners' file descriptors link."""

    address: Address
    port: int
    inode: int


@contextlib.contextmanager
def reserved_port(host: str, wanted: int | None = None) -> Iterator[int]:
    """Yield a port for the block: `wanted` if it is given, or else a free one.

    On Linux, no other smoke test chooses the free port during the block: a name in the abstract socket namespace, which
    goes away even if this process is killed, reserves it among them (unix(7)). On other systems the kernel chooses the
    port, and nothing reserves it.
    Raises `NoxPexError`: `port-taken` if no port is free.
    """
    if wanted is not None:
        yield wanted
        return
    if not _LINUX:
        yield _port_of_the_kernel(host)
        return
    for port in random.sample(_CANDIDATES, 200):
        with socket.socket(socket.AF_UNIX) as reservation:
            try:
                reservation.bind(f"\0nox-pex-port-{port}")
            except OSError:
                continue
            if _is_free(host, port):
                yield port
                return
    problem = f"no free port was found from {_CANDIDATES.start} to {_CANDIDATES.stop - 1}"
    raise NoxPexError("port-taken", problem, "find out which programs use these ports, or choose one with `--port`")


def _port_of_the_kernel(host: str) -> int:
    with _socket(host) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(host: str, port: int) -> bool:
    with _socket(host) as probe:
        # Servers do the same: an earlier connection in TIME_WAIT must not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _socket(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)


def accepts_connections(host: str, port: int, network: Network = HERE) -> bool:
    """Whether a TCP connection to the address can be opened now."""
    try:
        network.connect(host, port, timeout=_CONNECT_TIMEOUT).close()
    except OSError:
        return False
    return True


def unix_socket_accepts(path: Path) -> bool:
    """Whether something listens on the Unix socket at `path` now."""
    return _unix_listener(path) is not None


def listening_process(port: int) -> str:
    """Return the name and id of the process that listens on `port`, or `another process` if this user cannot see it."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if _listens_on(connection, port) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another process"


def owner(host: str, port: int, tree: ProcessIds, network: Network = HERE) -> Owner:
    """Return who owns the listener that a connection to the address would reach: a process of `tree`, or another."""
    if not _LINUX:
        return _owner_by_psutil(host, port, tree)
    matching = matching_listeners(listeners(network), {_address(text) for text in _addresses(host, port)}, port)
    if not matching:
        return "nobody"
    found = _owner_of({listener.inode for listener in matching}, tree())
    # A listener on `::` that accepts only IPv6 does not answer at an IPv4 address.
    return "nobody" if found == "foreign" and not accepts_connections(host, port, network) else found


def published_owner(port: int, tree: ProcessIds, network: Network) -> Owner:
    """Return who owns the listeners on `port` that can be reached from outside of a container (Linux only)."""
    reachable = {each.inode for each in listeners(network) if each.port == port and not each.address.is_loopback}
    return _owner_of(reachable, tree()) if reachable else "nobody"


@contextlib.contextmanager
def usable(port: int) -> Iterator[bool]:
    """Yield whether a program without capabilities can listen on `port`, on all addresses of this machine (Linux only).

    If so, no other smoke test gets the port during the block.
    """
    with socket.socket(socket.AF_UNIX) as reservation:
        try:
            reservation.bind(f"\0nox-pex-port-{port}")
            unprivileged = int(_UNPRIVILEGED_PORTS.read_text("ascii"))
        except (OSError, ValueError):
            yield False
            return
        yield port >= unprivileged and not any(each.port == port for each in listeners())


def is_loopback(host: str) -> bool:
    """Whether an address such as `127.0.0.1` or `[::1]` is one that only this machine reaches."""
    return _address(host.strip("[]")).is_loopback


def unix_owner(path: Path, tree: ProcessIds, network: Network = HERE) -> Owner:
    """Return who owns the listener that a connection to the Unix socket at `path` would reach.

    The kernel names the process that called `listen` (SO_PEERCRED, unix(7)), whatever name the socket was bound to: it
    may have been renamed, bound by a relative name, or be reached through a link.
    """
    pid = _unix_listener(path)
    if pid is None or not _LINUX:
        return "nobody" if pid is None else "unknown"
    members = set(tree())
    if pid in members:
        return "ours"
    if pid == _UNKNOWN_PID or _has_ended(pid):
        return _unix_owner_by_table(path, members, network)
    return "foreign"


def unix_listening_process(path: Path) -> str:
    """Return the name and id of the process that listens on the Unix socket at `path`, or `another process`."""
    pid = _unix_listener(path) if _LINUX else None
    with contextlib.suppress(psutil.Error, ValueError):
        if pid:
            return f"{psutil.Process(pid).name()} (pid {pid})"
    return "another process"


def _unix_listener(path: Path) -> int | None:
    """Return the id of the process that listens on a Unix socket: `_UNKNOWN_PID` if it is unknown, None if none does.

    The id is 0 if the process is not visible to this one, because it is outside of a container, for example.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.setblocking(False)
        try:
            connection.connect(os.fspath(path))
        except (BlockingIOError, PermissionError):  # the queue of the listener is full, or it is another user's
            return _UNKNOWN_PID
        except (OSError, ValueError):
            return None
        if not _LINUX:
            return _UNKNOWN_PID
        pid, _, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(pid)


def _has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    except psutil.NoSuchProcess:
        return pid != 0
    except psutil.Error:
        return False


def _unix_owner_by_table(path: Path, members: set[int], network: Network) -> Owner:
    """Return who owns the listener, if it is not known which process called `listen`, or if that one has ended.

    Its children may still have the socket. The kernel's table has the names to which sockets were bound: if none is
    `path`, a listener of the program counts.
    """
    named: set[int] = set()
    others: set[int] = set()
    for line in (network.tables / "unix").read_text(errors="surrogateescape").splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if int(fields[3], 16) & _UNIX_LISTENING:
            bound_to_path = len(fields) > 7 and fields[7] == str(path)  # noqa: PLR2004  # proc(5)
            (named if bound_to_path else others).add(int(fields[6]))
    held, all_visible = _sockets_of(members)
    if named <= held if named else others & held:
        return "ours"
    return "foreign" if all_visible else "unknown"


def listening_addresses(pids: Iterable[int], network: Network = HERE) -> tuple[str, ...]:
    """Return the addresses on which the processes `pids` listen, as `host:port` or `[host]:port`, sorted."""
    found = set()
    if _LINUX:
        owned = set[int]().union(*(_sockets(pid)[0] for pid in pids))
        found = {(str(each.address), each.port) for each in listeners(network) if each.inode in owned}
    for pid in () if _LINUX else pids:
        with contextlib.suppress(psutil.Error):
            for connection in psutil.Process(pid).net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    found.add((connection.laddr.ip, connection.laddr.port))
    return tuple(f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}" for ip, port in sorted(found))


def matching_listeners(every: Iterable[Listener], addresses: set[Address], port: int) -> list[Listener]:
    """Return the listeners that a connection may reach: those on one of `addresses`, or else those on all addresses."""
    candidates = [listener for listener in every if listener.port == port]
    exact = [listener for listener in candidates if listener.address in addresses]
    versions = {address.version for address in addresses}
    # A listener on `::` also accepts IPv4, unless IPV6_V6ONLY is set, which other processes cannot see.
    return exact or [
        listener
        for listener in candidates
        if listener.address.is_unspecified and (listener.address.version in versions or listener.address.version == 6)  # noqa: PLR2004  # IPv6
    ]


def listeners(network: Network = HERE) -> list[Listener]:
    """Return all TCP listeners of a network (Linux only)."""
    found = []
    for table in (network.tables / "tcp", network.tables / "tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in table.read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING:
                    address, _, port = fields[1].partition(":")
                    found.append(Listener(address=_from_hex(address), port=int(port, 16), inode=int(fields[9])))
    return found


def _from_hex(digits: str) -> Address:
    # The kernel prints an address as groups of 32 bits in the machine's byte order.
    groups = (int(digits[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(digits), 8))
    return _unmapped(ipaddress.ip_address(b"".join(groups)))


def _unmapped(address: Address) -> Address:
    """Return the IPv4 address in an IPv4-mapped IPv6 address; any other address unchanged."""
    return getattr(address, "ipv4_mapped", None) or address


def _address(text: str) -> Address:
    return _unmapped(ipaddress.ip_address(text.partition("%")[0]))


def _addresses(host: str, port: int) -> set[str]:
    try:
        return {str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def _owner_of(inodes: set[int], tree: Iterable[int]) -> Owner:
    held, all_visible = _sockets_of(tree)
    # All of them must be ours: if two programs share a port (SO_REUSEPORT), either may answer.
    if inodes <= held:
        return "ours"
    return "foreign" if all_visible else "unknown"


def _sockets_of(tree: Iterable[int]) -> tuple[set[int], bool]:
    """Return the inodes of the sockets of all processes, and whether this user may read the descriptors of each."""
    found = [_sockets(pid) for pid in tree]
    return set[int]().union(*(inodes for inodes, _ in found)), all(visible for _, visible in found)


def _sockets(pid: int) -> tuple[set[int], bool]:
    """Return the inodes of a process's sockets, and whether this user may read its descriptors."""
    inodes = set()
    try:
        for descriptor in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                link = os.readlink(descriptor)  # noqa: PTH115  # a Path for each of thousands is slow
                if link.startswith("socket:["):
                    inodes.add(int(link[8:-1]))
    except PermissionError:
        return inodes, False
    except OSError:
        pass  # the process has ended
    return inodes, True


def _owner_by_psutil(host: str, port: int, tree: ProcessIds) -> Owner:
    if not accepts_connections(host, port):
        return "nobody"
    hidden = False
    for pid in tree():
        try:
            connections = psutil.Process(pid).net_connections("tcp")
        except psutil.NoSuchProcess:
            continue
        except psutil.Error:
            hidden = True
            continue
        if any(_listens_on(connection, port) for connection in connections):
            return "ours"
    return "unknown" if hidden else "foreign"


def _listens_on(connection: Any, port: int) -> bool:
    return bool(connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port)
