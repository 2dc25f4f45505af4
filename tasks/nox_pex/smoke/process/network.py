"""The network in which a program is asked: this machine's, or one that the program has for itself."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final


def _made_here(family: int) -> socket.socket:
    return socket.socket(family, socket.SOCK_STREAM)


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network as this process reaches it.

    `tables` is the directory in which Linux lists its sockets. `make` gives a TCP socket of an address family in it: a
    socket belongs to the network in which it was made for good, whichever process then connects it.
    """

    tables: Path = Path("/proc/net")
    make: Callable[[int], socket.socket] = _made_here

    def connected(self, host: str, port: int, *, timeout: float | None) -> socket.socket:
        """A TCP connection to the first of the host's addresses that takes one. Raises `OSError`."""
        failure = OSError(f"{host} has no address")
        for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            made = self.make(family)
            try:
                made.settimeout(timeout)
                made.connect(address)
            except OSError as error:
                made.close()
                failure = error
            except BaseException:
                made.close()
                raise
            else:
                return made
        raise failure


HERE: Final = Network()
"""This machine's network."""
