"""Use something of the machine, then serve: `confined.py MODE PORT [ARGUMENT]`. MODE is one of the functions."""

import json
import multiprocessing
import os
import socket
import sys
import tempfile
from pathlib import Path

from serving import listening, response, serve

ARGUMENTS = sys.argv[3:]


def nothing() -> None:
    """Use nothing: this runs under every condition."""


def its_directory() -> None:
    Path("written").touch()


def its_home() -> None:
    Path(os.environ["HOME"], "written").touch()


def temporary_files() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"x")


def the_usual_resources() -> None:
    temporary_files()
    multiprocessing.get_context("spawn").Lock()
    with Path("/dev/stdout").open("a", encoding="utf-8") as log:
        log.write("by its name\n")


def much_in_tmp() -> None:
    with tempfile.TemporaryFile() as file:
        for _ in range(80):
            file.write(b"x" * 2**20)
            file.flush()


def a_file_of_the_machine() -> None:
    Path(ARGUMENTS[0]).write_text("overwritten", encoding="utf-8")


def another_server() -> None:
    socket.create_connection(("127.0.0.1", int(ARGUMENTS[0])), timeout=5).close()


def the_outside() -> None:
    """Find a route to an address on the internet. No packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        outward.connect(("192.0.2.1", 9))


def root() -> None:
    os.chroot("/")


def about() -> bytes:
    return json.dumps(
        {
            "user": os.geteuid(),
            "groups": os.getgroups(),
            "home": os.environ.get("HOME"),
            "name": os.environ.get("USER"),
            "tmp": os.environ["TMPDIR"],
            "pex-root": os.environ["PEX_ROOT"],
            "cwd": str(Path.cwd()),
            "capabilities": next(
                line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "CapEff" in line
            ),
        }
    ).encode()


def ask() -> None:
    """Run as a command while the server runs."""
    socket.create_connection(("127.0.0.1", int(sys.argv[2])), timeout=5).close()
    Path(tempfile.gettempdir(), "of-the-server").stat()
    sys.stdout.write("asked\n")
    sys.exit()


globals()[sys.argv[1].replace("-", "_")]()
Path(tempfile.gettempdir(), "of-the-server").touch()
serve(
    listening(int(sys.argv[2])),
    lambda connection, *_: connection.sendall(response(about(), "Content-Type: application/json")),
)
