"""Free ports, and the listeners on a port."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys

import pytest

from nox_pex.smoke.process import ports
from nox_pex.smoke.process.ports import Listener, matching_listeners


def test_a_connection_reaches_the_exact_address_or_one_for_all_addresses() -> None:
    local, every, every6 = (ipaddress.ip_address(text) for text in ("127.0.0.1", "0.0.0.0", "::"))  # noqa: S104  # not bound
    listeners = [
        Listener(address=every, port=80, inode=1),
        Listener(address=every6, port=80, inode=2),
        Listener(address=local, port=80, inode=3),
        Listener(address=local, port=81, inode=4),
    ]
    assert [each.inode for each in matching_listeners(listeners, {local}, 80)] == [3]
    assert [each.inode for each in matching_listeners(listeners[:2], {local}, 80)] == [1, 2]
    assert [each.inode for each in matching_listeners(listeners, {ipaddress.ip_address("::1")}, 80)] == [2]
    assert matching_listeners(listeners, {local}, 82) == []


def test_reserved_ports_are_free_and_different() -> None:
    with ports.reserved_port("127.0.0.1") as first, ports.reserved_port("127.0.0.1") as second:
        assert first != second
        assert not ports.accepts_connections("127.0.0.1", first)
    with ports.reserved_port("127.0.0.1", 8000) as wanted:
        assert wanted == 8000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the owners of sockets")
def test_the_owner_of_a_listener_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert ports.owner("127.0.0.1", port, lambda: [os.getpid()]) == "ours"
        assert ports.owner("127.0.0.1", port, lambda: [os.getppid()]) in {"foreign", "unknown"}
        assert f"127.0.0.1:{port}" in ports.listening_addresses([os.getpid()])
        assert f"(pid {os.getpid()})" in ports.listening_process(port)
    with ports.reserved_port("127.0.0.1") as free:
        assert ports.owner("127.0.0.1", free, lambda: [os.getpid()]) == "nobody"
