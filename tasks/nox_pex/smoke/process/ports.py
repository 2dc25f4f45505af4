"""Free ports, and who listens on one."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import random
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import psutil

from nox_pex.errors import NoxPexError
from nox_pex.smoke.process.network import HERE, Network

Owner = Literal["nobody", "ours", "foreign", "unknown"]
"""Whose listener answers at an address. `unknown`: this user may not see it."""


Tree = Callable[[], Iterable[int]]
"""Gives the process ids of a tree: asked for only where something listens."""


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


_LINUX: Final = sys.platform == "linux"


_CANDIDATES: Final = range(15_000, 32_000)
"""Ports that people rarely choose, under those that Linux gives away by itself (32768 and up)."""


_LISTENING: Final = "0A"


_UNIX_LISTENING: Final = 0x10000


_PATIENCE: Final = 1.0


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket: its address, its port, the inode that its owners' file descriptors name."""

    address: Address
    port: int
    inode: int


@contextlib.contextmanager
def claimed(host: str, wanted: int | None = None) -> Iterator[int]:
    """A port that nothing listens on: the one `wanted`, else one that no other smoke test chooses in the meantime.

    On Linux a name in the abstract socket namespace, which goes with this process, keeps other smoke tests away;
    elsewhere the system chooses. Raises `NoxPexError` with `port-taken` when there is none.
    """
    if wanted is not None:
        yield wanted
        return
    if not _LINUX:
        yield _chosen_by_the_system(host)
        return
    for port in random.sample(_CANDIDATES, 200):
        with socket.socket(socket.AF_UNIX) as claim:
            try:
                claim.bind(f"\0nox-pex-port-{port}")
            except OSError:
                continue
            if _is_free(host, port):
                yield port
                return
    problem = "no free port was found"
    raise NoxPexError("port-taken", problem, "see what listens on so many ports, or give one with `--port`")


def _chosen_by_the_system(host: str) -> int:
    with _socket(host) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(host: str, port: int) -> bool:
    with _socket(host) as probe:
        # As servers do: a connection of an earlier one that lingers in TIME_WAIT is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _socket(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)


def answers(host: str, port: int, network: Network = HERE) -> bool:
    """Whether a TCP connection to the address can be opened now."""
    try:
        network.connected(host, port, timeout=_PATIENCE).close()
    except OSError:
        return False
    return True


def holder(port: int) -> str:
    """The process that listens on `port`, for a person: best effort, since other users' processes are hidden."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if _listens_on(connection, port) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another process"


def owner(host: str, port: int, tree: Tree, network: Network = HERE) -> Owner:
    """Whose listener a connection to the address would meet: one of the processes that `tree` gives, or not."""
    if not _LINUX:
        return _owner_by_psutil(host, port, tree)
    met = meeting(listeners(network), {_address(text) for text in _addresses(host, port)}, port)
    if not met:
        return "nobody"
    whose = _owner_of({listener.inode for listener in met}, tree())
    # The `::` of a program that takes IPv6 alone does not answer at an address of IPv4.
    return "nobody" if whose == "foreign" and not answers(host, port, network) else whose


def unix_owner(path: Path, tree: Tree, network: Network = HERE) -> Owner:
    """The same for a Unix socket."""
    if not _LINUX:
        return "unknown" if path.is_socket() else "nobody"
    inodes = set()
    for line in (network.tables / "unix").read_text(errors="surrogateescape").splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if len(fields) > 7 and fields[7] == str(path) and int(fields[3], 16) & _UNIX_LISTENING:  # noqa: PLR2004  # proc(5)
            inodes.add(int(fields[6]))
    return _owner_of(inodes, tree()) if inodes else "nobody"


def listening(tree: Iterable[int], network: Network = HERE) -> tuple[str, ...]:
    """Where the processes `tree` listen, as `host:port`: the answer to why it is not where it should be."""
    found = set()
    if _LINUX:
        owned = set[int]().union(*(_sockets(pid)[0] for pid in tree))
        found = {(str(each.address), each.port) for each in listeners(network) if each.inode in owned}
    for pid in () if _LINUX else tree:
        with contextlib.suppress(psutil.Error):
            for connection in psutil.Process(pid).net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    found.add((connection.laddr.ip, connection.laddr.port))
    return tuple(f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}" for ip, port in sorted(found))


def meeting(every: Iterable[Listener], addresses: set[Address], port: int) -> list[Listener]:
    """The listeners that a connection may meet: those of the very address, or else those of all addresses."""
    candidates = [listener for listener in every if listener.port == port]
    exact = [listener for listener in candidates if listener.address in addresses]
    versions = {address.version for address in addresses}
    # The `::` of IPv6 takes IPv4 in too, unless it was told not to, which cannot be seen from outside.
    return exact or [
        listener
        for listener in candidates
        if listener.address.is_unspecified and (listener.address.version in versions or listener.address.version == 6)  # noqa: PLR2004
    ]


def listeners(network: Network = HERE) -> list[Listener]:
    """All TCP listeners of a network (Linux)."""
    found = []
    for table in (network.tables / "tcp", network.tables / "tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in table.read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING:
                    address, _, port = fields[1].partition(":")
                    found.append(Listener(_from_hex(address), int(port, 16), int(fields[9])))
    return found


def _from_hex(digits: str) -> Address:
    # The kernel prints the address as 32-bit words in the machine's own byte order.
    words = (int(digits[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(digits), 8))
    return _normal(ipaddress.ip_address(b"".join(words)))


def _normal(address: Address) -> Address:
    return getattr(address, "ipv4_mapped", None) or address


def _address(text: str) -> Address:
    return _normal(ipaddress.ip_address(text.partition("%")[0]))


def _addresses(host: str, port: int) -> set[str]:
    try:
        return {str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def _owner_of(inodes: set[int], tree: Iterable[int]) -> Owner:
    unseen = set(inodes)
    hidden = False
    for pid in tree:
        links, seen = _sockets(pid)
        hidden = hidden or not seen
        unseen -= links
    # Every one must be ours: two programs may share a port (SO_REUSEPORT), and then either may answer.
    if not unseen:
        return "ours"
    return "unknown" if hidden else "foreign"


def _sockets(pid: int) -> tuple[set[int], bool]:
    """The inodes of a process's sockets, and whether its descriptors can be seen at all."""
    inodes = set()
    try:
        for descriptor in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                link = os.readlink(descriptor)  # noqa: PTH115  # thousands of them
                if link.startswith("socket:["):
                    inodes.add(int(link[8:-1]))
    except PermissionError:
        return inodes, False
    except OSError:
        pass  # it has ended since
    return inodes, True


def _owner_by_psutil(host: str, port: int, tree: Tree) -> Owner:
    if not answers(host, port):
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
