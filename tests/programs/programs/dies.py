"""End before, while or after it serves: `dies.py MODE PORT`. MODE is one of the functions."""

import os
import signal
import socket
import sys
import threading
import time

from serving import greet, listening, serve


def with_1(_port: int) -> None:
    sys.exit(1)


def with_0(_port: int) -> None:
    sys.exit(0)


def of_a_segfault(_port: int) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(10)


def killed(_port: int) -> None:
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGKILL)


def of_a_missing_module(port: int) -> None:
    __import__("of_the_checkout_alone")
    serve(listening(port))


def at_the_second_request(port: int) -> None:
    def answer(connection: socket.socket, request: bytes, number: int) -> None:
        if number == 1:
            of_a_segfault(port)
        greet(connection, request, number)

    serve(listening(port), answer)


def a_moment_after_the_second_request(port: int) -> None:
    def answer(connection: socket.socket, request: bytes, number: int) -> None:
        greet(connection, request, number)
        if number == 1:
            threading.Timer(0.3, os._exit, [3]).start()

    serve(listening(port), answer)


sys.stderr.write(f"dies {sys.argv[1]}\n")
globals()[sys.argv[1].replace("-", "_")](int(sys.argv[2]))
