"""Free ports, and the listeners on a port."""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nox_pex.smoke.process import ports
from nox_pex.smoke.process.network import HERE
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


linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux names the process that listens")


@pytest.fixture
def unix_socket(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "first.sock"))
        yield listener


@linux
def test_the_owner_of_a_unix_socket_is_found_whatever_its_name(unix_socket: socket.socket, tmp_path: Path) -> None:
    first, second, link = (tmp_path / f"{name}.sock" for name in ("first", "second", "link"))
    assert ports.unix_owner(first, lambda: [os.getpid()]) == "nobody"  # nothing accepts connections yet
    unix_socket.listen()
    first.rename(second)
    link.symlink_to("second.sock")
    for path in (second, link):
        assert ports.unix_owner(path, lambda: [os.getpid()]) == "ours"
        assert ports.unix_owner(path, lambda: [os.getppid()]) == "foreign"
        assert f"(pid {os.getpid()})" in ports.unix_listening_process(path)
    assert ports.unix_owner(first, lambda: [os.getpid()]) == "nobody"
    unix_socket.close()
    assert ports.unix_owner(second, lambda: [os.getpid()]) == "nobody"


@linux
def test_what_is_no_unix_socket_has_no_owner(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path, tmp_path / "file", tmp_path / "file" / "x", tmp_path / ("x" * 200), Path("a\0b")):
        assert ports.unix_owner(path, lambda: [os.getpid()]) == "nobody"
        assert ports.unix_listening_process(path) == "another process"


@linux
def test_a_unix_socket_with_a_full_queue_has_an_owner(unix_socket: socket.socket, tmp_path: Path) -> None:
    unix_socket.listen(0)
    path = tmp_path / "first.sock"
    renamed = path.rename(tmp_path / "second.sock")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(renamed))
        assert ports.unix_owner(renamed, lambda: [os.getpid()]) == "ours"
        assert ports.unix_owner(renamed, list) == "foreign"


@linux
def test_a_unix_socket_belongs_to_the_processes_that_the_listening_one_left(
    unix_socket: socket.socket, tmp_path: Path
) -> None:
    listens = f"import socket; socket.socket(fileno={unix_socket.fileno()}).listen()"
    renamed = (tmp_path / "first.sock").rename(tmp_path / "second.sock")
    with subprocess.Popen([sys.executable, "-c", listens], pass_fds=[unix_socket.fileno()]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        for _ in range(2):  # as a zombie, and when nothing is left of it
            assert ports.unix_owner(renamed, lambda: [os.getpid()]) == "ours"
            assert ports.unix_owner(renamed, list) == "foreign"
            ended.wait()


@linux
def test_a_unix_socket_of_another_process_is_foreign(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    listens = f"import socket; a = socket.socket(socket.AF_UNIX); a.bind({str(path)!r}); a.listen(); print(flush=True)"
    command = [sys.executable, "-c", f"{listens}; input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert ports.unix_owner(path, lambda: [os.getpid()]) == "foreign"
        assert ports.unix_owner(path, lambda: [os.getpid(), other.pid]) == "ours"
        assert f"(pid {other.pid})" in ports.unix_listening_process(path)
    assert ports.unix_owner(path, lambda: [other.pid]) == "nobody"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has containers")
def test_only_a_listener_that_can_be_reached_from_outside_is_published() -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside, socket.create_server(("0.0.0.0", 0)) as outside:  # noqa: S104  # the subject of the test
        numbers = [each.getsockname()[1] for each in (inside, outside)]
        found = [ports.published_owner(number, lambda: [os.getpid()], HERE) for number in numbers]
        assert found == ["nobody", "ours"]
        assert ports.published_owner(numbers[1], lambda: [1], HERE) in {"foreign", "unknown"}
        for number in numbers:
            with ports.usable(number) as usable:
                assert not usable
    with ports.usable(numbers[0]) as usable, ports.usable(numbers[0]) as again:
        assert usable
        assert not again  # another smoke test has it
    with ports.usable(1) as usable:
        assert not usable


def test_loopback_addresses_are_known() -> None:
    assert [ports.is_loopback(host) for host in ("127.0.0.1", "[::1]", "0.0.0.0", "[::]")] == [True, True, False, False]  # noqa: S104  # the subject of the test
