"""Ends before, while or after it serves: `dies.py MODE PORT`."""

import os
import signal
import socket
import sys
import threading
import time

from serving import greet, listening, serve

mode, port = sys.argv[1], int(sys.argv[2])


def crash_at_second(connection: socket.socket, request: bytes, number: int) -> None:
    if number == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(10)
    greet(connection, request, number)


def crash_soon(connection: socket.socket, request: bytes, number: int) -> None:
    greet(connection, request, number)
    if number == 1:
        threading.Timer(0.3, os._exit, [3]).start()


def main() -> None:
    sys.stderr.write(f"dies: {mode}\n")
    if mode == "exit-1":
        sys.exit(1)
    elif mode == "exit-0":
        sys.exit(0)
    elif mode == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(10)
    elif mode == "killed":
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)
    elif mode == "at-the-second-request":
        serve(listening(port), crash_at_second)
    elif mode == "in-the-soak":
        serve(listening(port), crash_soon)
    elif mode == "of-a-missing-module":
        __import__("of_the_checkout_alone")
        serve(listening(port))
    else:
        raise ValueError(mode)


main()
