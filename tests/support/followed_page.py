"""A page of the documentation, followed word by word: its files are written, its commands are run, in its order.

The text of a page says what happens by comments before a block:

- `<!-- file: PATH -->`: the block is the content of this file;
- `<!-- fails -->`: the commands of this `sh` block must fail;
- `<!-- until Ctrl-C: URL -->`: the last command of this `sh` block is a server. It runs until URL answers, and the
  `json` or `text` block after it is the answer. The port of URL is replaced by a free one, here and in the command.

Every other `sh` block must succeed. A `text` block directly after it shows a part of its output.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from tests.support.commands import Result, run
from tests.support.processes import wait_until

_BLOCK: Final = re.compile(
    r"(?:^<!-- (?P<comment>.+?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_NUMBER: Final = re.compile(r"\d+(?:\\\.\d+)*")
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Block(Struct, frozen=True, kw_only=True):
    """A fenced block of a page, and what the comment before it says."""

    language: str
    text: str
    file: str | None = None
    url: str | None = None
    fails: bool = False


def blocks(page: str) -> tuple[Block, ...]:
    """Return the fenced blocks of a page in Markdown."""
    return tuple(_block(found) for found in _BLOCK.finditer(page))


def _block(found: re.Match[str]) -> Block:
    key, _, value = (found["comment"] or "").partition(": ")
    return Block(
        language=found["language"],
        text=found["text"],
        file=value if key == "file" else None,
        url=value if key == "until Ctrl-C" else None,
        fails=key == "fails",
    )


def shows(output: str, part: str) -> bool:
    """Whether lines of `output` look like those of `part`, one after another.

    In `part`, `…` stands for any text of a line, a line `…` for any lines, and a number for any number. Colours and the
    amount of white space do not count.
    """
    pattern = "".join(r"(?:.*\n)*?" if line.strip() == "…" else rf"{_like(line)}\n" for line in part.splitlines())
    text = "".join(f"{' '.join(line.split())}\n" for line in _COLOUR.sub("", output).splitlines())
    return re.search(f"^{pattern}", text, re.MULTILINE) is not None


def _like(line: str) -> str:
    """The regular expression for one line."""
    parts = re.escape(" ".join(line.split())).split("…")
    return ".*".join(_NUMBER.sub(r"\\d+(?:\\.\\d+)*", part) for part in parts)


def follow(page: str, *, directory: Path, environ: Mapping[str, str]) -> None:
    """Do what a page says, in an empty directory. Raise `AssertionError` where it is not true."""
    shown: str | None = None
    for block in blocks(page):
        if block.file is not None:
            (directory / block.file).parent.mkdir(parents=True, exist_ok=True)
            (directory / block.file).write_text(block.text, "utf-8")
            shown = None
        elif block.language == "sh":
            shown = _answer(block, directory, environ) if block.url else _ran(block, directory, environ).output
        elif block.language == "json" and shown is not None:
            assert json.loads(shown) == json.loads(block.text)
            shown = None
        elif block.language == "text" and shown is not None:
            assert shows(shown, block.text), f"expected:\n{block.text}\ngot:\n{shown}"
            shown = None


def _ran(block: Block, directory: Path, environ: Mapping[str, str]) -> Result:
    """Run the commands of a block in a shell that ends at the first failure."""
    result = run(["bash", "-e", "-o", "pipefail", "-c", block.text], cwd=directory, env=environ)
    assert (result.status != 0) is block.fails, f"{block.text}\n{result.output}"
    return result


def _answer(block: Block, directory: Path, environ: Mapping[str, str]) -> str:
    """Return what the server of a block answers at its URL. Press Ctrl-C after that: it must end."""
    assert block.url is not None
    usual = re.search(r":(\d+)/", block.url)
    assert usual is not None, block.url
    port = str(_free_port())
    assert usual[1] in block.text
    command, url = (text.replace(usual[1], port) for text in (block.text, block.url))
    with _running(command, directory, environ) as process:
        got: list[str] = []

        def answered() -> bool:
            assert process.poll() is None, f"ended with {process.returncode}: {command}"
            with contextlib.suppress(urllib.error.URLError, ConnectionError), _DIRECT.open(url, timeout=30) as response:
                got.append(response.read().decode())
            return bool(got)

        wait_until(answered)
    return got[0]


@contextlib.contextmanager
def _running(command: str, directory: Path, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in a process group, which gets SIGINT at the end, as from a terminal."""
    argv = ["bash", "-e", "-c", command]
    with subprocess.Popen(argv, cwd=directory, env=dict(environ), start_new_session=True) as process:
        try:
            yield process
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port
