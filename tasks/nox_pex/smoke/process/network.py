"""The network in which a program is reached: this machine's, or a private one of the program."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

_LOOPBACK: Final = ("127.0.0.1", "::1")


def _stream_socket(family: int) -> socket.socket:
    return socket.socket(family, socket.SOCK_STREAM)


class Network(Struct, frozen=True, kw_only=True):
    """A network, and how this process reaches it.

    `tables` is the directory in which Linux lists the network's sockets. `create_socket` takes an address family and
    returns a TCP socket in the network. A socket stays in the network in which it was created, even if another process
    connects it. If there are `published` ports, each stands for a port of the network's loopback, whatever the host.
    """

    tables: Path = Path("/proc/net")
    create_socket: Callable[[int], socket.socket] = _stream_socket
    published: Mapping[int, int] = {}

    def connect(self, host: str, port: int, *, timeout: float | None) -> socket.socket:
        """Return a TCP connection to the first address of `host` that accepts one. Raises `OSError`."""
        failure = OSError(f"{host} has no address")
        for family, address in self._addresses(host, port):
            connection = self.create_socket(family)
            try:
                connection.settimeout(timeout)
                connection.connect(address)
            except OSError as error:
                connection.close()
                failure = error
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise failure

    def _addresses(self, host: str, port: int) -> Iterator[tuple[int, Any]]:
        """Yield the address families and addresses of a host and a port."""
        if port in self.published:
            yield socket.AF_INET, (_LOOPBACK[0], self.published[port])
            yield socket.AF_INET6, (_LOOPBACK[1], self.published[port])
            return
        for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            yield family, address


HERE: Final = Network()
"""This machine's network."""
