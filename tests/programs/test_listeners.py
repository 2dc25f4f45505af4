"""Which process answers: one of the program under test, or another."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nox_pex.smoke.plan import Options
from nox_pex.smoke.process import ports
from tests.support.processes import wait_until
from tests.support.smoke_test import LEFT_OPEN, SmokeTest


@pytest.fixture
def impostor() -> Iterator[Callable[..., int]]:
    """Serve the expected answer from this process."""
    listeners: list[socket.socket] = []

    def serve(port: int = 0, *, share: bool = False) -> int:
        listener = socket.socket()
        listeners.append(listener)
        if share:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        threading.Thread(target=answer, args=(listener,), daemon=True).start()
        chosen: int = listener.getsockname()[1]
        LEFT_OPEN.append(chosen)
        return chosen

    def answer(listener: socket.socket) -> None:
        body = b'{"message": "Hello World"}'
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(1)
                try:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                except OSError:
                    pass

    yield serve
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_a_good_program_passes_cold_and_warm(smoke_test: SmokeTest) -> None:
    tested = smoke_test("listens", "well", "{port}", conditions=["cold", "warm"])
    assert tested.code is None
    assert [(outcome.condition, outcome.state) for outcome in tested.report.boot_results] == [
        ("cold", "passed"),
        ("warm", "passed"),
    ]
    assert any(re.match(r"cold: +passed +ready in [\d.]+ s +1 of 1 checks ", line) for line in tested.said)


def test_a_single_warm_boot_is_seeded(smoke_test: SmokeTest) -> None:
    tested = smoke_test("listens", "well", "{port}", conditions=["warm"])
    assert tested.code is None
    assert len(tested.report.boot_results) == 1
    assert any("warm up" in line for line in tested.said)


def test_another_server_on_the_port_does_not_pass(smoke_test: SmokeTest, impostor: Callable[..., int]) -> None:
    port = impostor()
    tested = smoke_test("listens", "never", "{port}", options=Options(port=port))
    assert tested.code == "port-taken"
    assert f"already listens on http://127.0.0.1:{port}" in tested.problem
    assert tested.seconds < 5


def test_a_taken_port_in_the_url_is_found(smoke_test: SmokeTest, impostor: Callable[..., int]) -> None:
    port = impostor()
    tested = smoke_test("listens", "well", "{port}", url=f"http://127.0.0.1:{port}")
    assert tested.code == "port-taken"


@pytest.mark.parametrize(("mode", "code"), [("too-late", "port-taken"), ("too-late-and-carries-on", "wrong-listener")])
def test_a_port_that_is_taken_after_the_choice_is_found(
    mode: str, code: str, smoke_test: SmokeTest, impostor: Callable[..., int], tmp_path: Path
) -> None:
    sign = tmp_path / "port"

    def steal() -> None:
        deadline = time.monotonic() + 30
        while not (sign.exists() and sign.read_text(encoding="utf-8")) and time.monotonic() < deadline:
            time.sleep(0.01)
        impostor(int(sign.read_text(encoding="utf-8")))
        Path(f"{sign}.done").touch()

    thief = threading.Thread(target=steal)
    thief.start()
    tested = smoke_test("listens", mode, "{port}", str(sign), startup_timeout=3.0)
    thief.join()
    assert tested.code == code
    assert tested.seconds < 12


def test_a_port_that_another_program_shares_does_not_pass(
    smoke_test: SmokeTest, impostor: Callable[..., int], tmp_path: Path
) -> None:
    sign, ended = tmp_path / "port", threading.Event()

    def join() -> None:
        while not sign.exists() or not sign.read_text(encoding="utf-8"):
            if ended.wait(0.01):  # the program was too slow to name its port
                return
        impostor(int(sign.read_text(encoding="utf-8")), share=True)
        Path(f"{sign}.done").touch()

    accomplice = threading.Thread(target=join)
    accomplice.start()
    tested = smoke_test("listens", "with-another", "{port}", str(sign), startup_timeout=4.0)
    ended.set()
    accomplice.join()
    # The kernel gives a connection to either of them, so a good answer may come from the other.
    assert tested.code == "wrong-listener"


def test_a_program_that_ignores_the_port_is_told_where_it_listens(smoke_test: SmokeTest) -> None:
    tested = smoke_test("listens", "elsewhere", "{port}", startup_timeout=1.5)
    assert tested.code == "startup-timeout"
    assert "it listens on 127.0.0.1:" in tested.problem
    assert tested.seconds < 9


def test_a_program_on_ipv6_alone_is_not_on_ipv4(smoke_test: SmokeTest) -> None:
    tested = smoke_test("listens", "on-ipv6", "{port}", startup_timeout=1.5)
    assert tested.code == "startup-timeout"
    assert "it listens on [::1]:" in tested.problem


@pytest.mark.parametrize("mode", ["on-ipv6", "everywhere"])
def test_a_program_serves_on_ipv6(mode: str, smoke_test: SmokeTest) -> None:
    tested = smoke_test("listens", mode, "{port}", url="http://[::1]:{port}")
    assert tested.code is None, tested.problem


@pytest.mark.parametrize("mode", ["everywhere", "late", "in-a-child"])
def test_other_ways_to_listen_pass(mode: str, smoke_test: SmokeTest) -> None:
    tested = smoke_test("listens", mode, "{port}", stop_exit_codes=[0, "TERM"], tcp=[{"port": "{port}"}], http=[
        {"path": "/", "json": {"message": "Hello World"}}
    ])  # fmt: skip
    if mode == "in-a-child":  # its parent does not end it
        assert tested.code == "left-processes"
    else:
        assert tested.code is None, tested.problem


@pytest.mark.parametrize(
    "mode",
    ["on-a-unix-socket", "on-the-socket-of-a-process-that-ended"],
)
def test_a_program_serves_on_a_unix_socket(mode: str, smoke_test: SmokeTest) -> None:
    tested = smoke_test(
        "listens", mode, "0", "{tmp}/app.sock", url="http://service", unix_socket="{tmp}/app.sock",
    )  # fmt: skip
    assert tested.code is None, tested.problem


@pytest.fixture
def foreign_socket() -> Iterator[socket.socket]:
    """A Unix socket of the test, which is bound when the program has been started."""
    with socket.socket(socket.AF_UNIX) as listener:
        yield listener


def test_another_program_on_the_unix_socket_does_not_pass(
    smoke_test: SmokeTest, foreign_socket: socket.socket, temporary: Path, tmp_path: Path
) -> None:
    sign, path = tmp_path / "port", temporary / "foreign.sock"

    def listen() -> None:
        wait_until(sign.exists)
        foreign_socket.bind(str(path))
        foreign_socket.listen()
        Path(f"{sign}.done").touch()

    accomplice = threading.Thread(target=listen)
    accomplice.start()
    tested = smoke_test("listens", "too-late", "0", str(sign), unix_socket=str(path), startup_timeout=2.0)
    accomplice.join()
    assert tested.code == "wrong-listener"
    assert f"(pid {os.getpid()}) answers on " in tested.problem
    again = smoke_test("listens", "too-late", "0", str(sign), unix_socket=str(path), startup_timeout=2.0)
    assert again.code == "port-taken"
    assert f"(pid {os.getpid()}) already listens on " in again.problem
    path.unlink()


def test_an_open_port_is_enough_without_http(smoke_test: SmokeTest) -> None:
    assert smoke_test("listens", "well", "{port}", tcp=[{"port": "{port}"}]).code is None
    tested = smoke_test("listens", "never", "{port}", tcp=[{"port": "{port}"}], startup_timeout=1.0)
    assert tested.code == "startup-timeout"


def test_a_second_port_that_is_not_open_fails(smoke_test: SmokeTest) -> None:
    tested = smoke_test("listens", "well", "{port}", http=[{"path": "/"}], tcp=[{"port": 1}])
    assert tested.code == "check-failed"
    assert "tcp 1: expected an open port" in tested.problem


def test_a_program_that_never_listens_times_out(smoke_test: SmokeTest) -> None:
    tested = smoke_test("listens", "never", "{port}", startup_timeout=1.0)
    assert tested.code == "startup-timeout"
    assert "nothing listens on http://127.0.0.1:" in tested.problem
    assert tested.seconds < 8


def test_a_daemon_is_found_and_ended(smoke_test: SmokeTest) -> None:
    tested = smoke_test("listens", "as-a-daemon", "{port}")
    assert tested.code == "exited-early"
    assert "running" in tested.problem


@pytest.mark.parametrize(("mode", "code"), [("well", None), ("elsewhere", "startup-timeout")])
def test_listeners_are_found_without_proc(
    mode: str, code: str | None, smoke_test: SmokeTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "_LINUX", False)
    assert smoke_test("listens", mode, "{port}", startup_timeout=2.0).code == code


def test_the_timeout_of_the_command_line_replaces_that_of_the_settings(smoke_test: SmokeTest) -> None:
    tested = smoke_test("listens", "never", "{port}", startup_timeout=60.0, options=Options(timeout=0.5))
    assert tested.code == "startup-timeout"
    assert "0.5 s" in tested.problem
