"""The network in which a program is reached: this machine's, or a private one of the program."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct


def _stream_socket(family: int) -> socket.socket:
    return socket.socket(family, socket.SOCK_STREAM)


class Network(Struct, frozen=True, kw_only=True):
    """A network, and how this process reaches it.

    `tables` is the directory in which Linux lists the network's sockets. `create_socket` takes an address family and
    returns a TCP socket in the network. A socket stays in the network in which it was created, even if another process
    connects it.
    """

    tables: Path = Path("/proc/net")
    create_socket: Callable[[int], socket.socket] = _stream_socket

    def connect(self, host: str, port: int, *, timeout: float | None) -> socket.socket:
        """Return a TCP connection to the first address of `host` that accepts one. Raises `OSError`."""
        failure = OSError(f"{host} has no address")
        for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
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


HERE: Final = Network()
"""This machine's network."""
