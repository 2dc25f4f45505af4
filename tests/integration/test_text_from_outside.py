"""A program, its server and its files that try to write escape sequences, new lines and commands to a CI system."""

from __future__ import annotations

import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.support.nox_project import Project

NASTY: Final = "a\n::error::b\n##[error]c\x1b[31m\x9b\u202e\u2028error[x]: d\u200b\udcff"
"""A file name with what a terminal or a CI system would obey. Linux allows all of it."""

PROGRAM: Final = r"""
import http.server
import os
import socketserver
import sys

LINES = (
    b"\x1b]0;title\x07\x1b[31mred\x1b[0m\x9b1m caf\xe9", b"::set-output name=a::b", b"x ##[error]y", b"##vso[task.x]y",
    b"##teamcity[buildStop]", b"section_start:1:x\r\x1b[0K", b"--- group", b"travis_fold:start:x", b"\x00\x08\x0b\x0c",
    "\u202e\u2066\u200b\ufeff\u2028::error::x\x85::error::y\U000e0041".encode(), "日本 ö".encode(),
)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"\r\n".join(LINES)
        self.send_response(200, "OK \x1b[31m")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Nasty", "##[error]x \x1b[31m \x9b\n ::error::folded")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


os.write(1, b"\n".join(LINES) + b"\n")
if sys.argv[1:]:
    with socketserver.TCPServer(("127.0.0.1", int(sys.argv[1])), Handler) as server:
        server.serve_forever()
sys.exit(3)
"""

SMOKE: Final = """
[tool.nox-pex.binary.nasty]
entry-point = "nasty"

[tool.nox-pex.binary.nasty.smoke]
args = ["{port}"]
conditions = ["cold"]

[[tool.nox-pex.binary.nasty.smoke.http]]
path = "/"
headers = { x-nasty = "something else" }
contains = "nothing"
"""


def assert_harmless(output: str) -> None:
    """Check that a terminal and a CI system show the output, and do nothing else with it."""
    hidden = {one for one in output if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}}
    assert hidden == {"\n"}, output
    assert not re.search(r"##\w*\[|section_start:|travis_fold:", output), output
    for line in output.splitlines():
        assert line.startswith(("nox > ", "[tool.nox-pex", "include = ", "root = ", "exclude = ")), output
        assert not re.match(r"(?:nox > )?\s*(?:\| )?\s*(?:::|--- )", line), output


def assert_strict(dist: Path) -> None:
    """Check that every reader of JSON and XML accepts the files, and that to print them does no harm."""
    for path in dist.glob("*.json"):
        text = path.read_bytes().decode("utf-8")
        json.dumps(json.loads(text), ensure_ascii=False).encode()
        assert not [one for one in text if unicodedata.category(one) in {"Cc", "Cf", "Zl", "Zp"} and one != "\n"], path
        assert "##[" not in text
    for path in dist.glob("*.xml"):
        ET.parse(path)  # noqa: S314  # nox-pex wrote it
        assert "##[" not in path.read_text("utf-8")


def test_a_program_and_its_files_cannot_write_to_the_terminal_or_command_a_ci_system(
    project: Callable[[str], Project],
) -> None:
    loose = project("loose")
    document = (loose.root / "pyproject.toml").read_text("utf-8").partition("[tool.nox-pex")[0]
    (loose.root / "pyproject.toml").write_text(document + SMOKE, "utf-8")
    (loose.root / "nasty.py").write_text(PROGRAM, "utf-8")
    (loose.root / f"{NASTY}.dat").touch()
    (loose.root / f"{NASTY[:-1]} dir").mkdir()
    (loose.root / f"{NASTY[:-1]} dir" / "x.html").touch()
    shipped = NASTY[:-1]
    (loose.root / "wares" / f"{shipped}.py").write_text('KEY = "-----BEGIN RSA PRIVATE KEY-----\\nMIIEowIBAAKCAQEA"\n')

    result = loose.run("-s", "pex", "verify", "--verbose")
    assert_harmless(result.output)
    assert result.said("left out: ", r"a\n::error::b\n#\#[error]c\x1b[31m\x9b\u202e\u2028error[x]: d\u200b\xff.dat")
    assert_strict(loose.root / "dist")

    result = loose.run("-s", "smoke", "--verbose")
    assert result.status != 0
    assert_harmless(result.output)
    (file,) = (loose.root / "dist").glob("*.smoke.log")
    log = file.read_text("utf-8").splitlines()
    assert {r"\x1b]0;title\x07\x1b[31mred\x1b[0m\x9b1m caf\xe9", r"x #\#[error]y", "日本 ö"} <= set(log)
    hidden = {one for one in "".join(log) if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}}
    assert hidden == set()
    assert_strict(loose.root / "dist")
