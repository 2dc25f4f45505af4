"""Secrets are planted in the environment, and whatever runs prints them in many forms: none is shown or written."""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.support.nox_project import Project

_BODY: Final = "\n".join(f"MIIEcanary{row}{'aB3Cd+' * 8}z9" for row in range(12))

CANARIES: Final = {
    "SIGNING_KEY": f"-----BEGIN PRIVATE KEY-----\n{_BODY}\nYcanaryEnd1==\n-----END PRIVATE KEY-----\n",
    "SESSION_COOKIE": "session=canaryCookie7\"&'<x>",
    "PROXY_AUTHORIZATION": "Bearer canaryBearer81/x+y",
    "DATABASE_URL": "postgres://joe:canarySlash5/pa?ss@127.0.0.1/base",
    "LICENCE": "canary-Listed-30517-ä€",
    "API_TOKEN": "canaryToken664209",
}

SPILL: Final = """
def spill():
    import base64, html, json, os, shlex, sys, textwrap, urllib.parse
    for name in {names!r}:
        value = os.environ.get(name, "")
        data = value.encode("utf-8", "surrogateescape")
        for text in (
            value, value.replace("\\n", "\\r\\n"), json.dumps(value), json.dumps(json.dumps(value)), repr(value),
            ascii(value), repr(data), shlex.quote(value), urllib.parse.quote(value, safe=""),
            urllib.parse.quote_plus(value), html.escape(value), textwrap.indent(value, "INFO: "), data.hex(),
            *(base64.b64encode(before + data).decode() for before in (b"", b"u", b"us")),
            base64.urlsafe_b64encode(b"user:" + data).decode().rstrip("="), base64.encodebytes(data).decode(),
        ):
            print(text, file=sys.stderr, flush=True)
""".replace("{names!r}", repr(list(CANARIES)))

BACKEND: Final = f"""
from pathlib import Path
from poetry.core.masonry import api

{SPILL}

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    spill()
    if Path("fails").exists():
        raise SystemExit("the build failed")
    return api.build_wheel(wheel_directory, config_settings, metadata_directory)
"""

PROGRAM: Final = f"""
{SPILL}

def main():
    spill()
    raise SystemExit(1)
"""

SETTINGS: Final = f"""
[tool.nox-pex]
secrets = ["LICENCE"]

[tool.nox-pex.binary.greet]
script = "greet"
inject-env = {{ BAKED_TOKEN = "canarySettings9" }}

[tool.nox-pex.binary.greet.smoke]
before = [["python3", "before.py"]]
pass-env = {list(CANARIES)!r}
env = {{ CHANNEL_TOKEN = "canarySettings9" }}

[[tool.nox-pex.binary.greet.smoke.command]]
stdout-matches = "never"
"""


def pieces(value: str) -> Iterator[str]:
    """Parts of a secret in text, and of the secret in base64 and in hexadecimal digits."""
    for word in re.findall(r"[A-Za-z0-9]{6,}", value):
        if "canary" in word:
            yield word
    data = value.strip().encode()
    for before in range(3):
        core = base64.b64encode(bytes(before) + data).decode()[before + 1 : -4]
        yield from (core[at : at + 14] for at in range(0, len(core) - 13, 7))
    yield data.hex()[:24]


SECRETS: Final = (
    *("canarySlash5/pa?ss" if name == "DATABASE_URL" else value for name, value in CANARIES.items()),
    "canarySettings9",
)
PIECES: Final = tuple(dict.fromkeys(piece for value in SECRETS for piece in pieces(value)))


def found_in(text: str) -> list[str]:
    """The pieces of secrets in a text."""
    return [piece for piece in PIECES if piece in text]


@contextmanager
def command_lines() -> Iterator[set[str]]:
    """The command lines of all processes that run within the block, if they are seen."""
    seen: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            for process in Path("/proc").iterdir():  # a glob would fail for a process that ends meanwhile
                try:
                    seen.add((process / "cmdline").read_text("utf-8", "replace"))
                except OSError:
                    continue
            time.sleep(0.02)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield seen
    finally:
        ended.set()
        watching.join()


def written_files(project: Project) -> Iterator[tuple[Path, bytes]]:
    """The files below `dist` and `.nox`, without what Poetry installed."""
    for directory in ("dist", ".nox"):
        for path in (project.root / directory).rglob("*"):
            if path.is_file() and "site-packages" not in path.parts:
                yield path, path.read_bytes()


@pytest.mark.long
@pytest.mark.usefixtures("cold_tools")  # so that every tool has its command line
def test_no_session_shows_or_writes_a_secret(built: Callable[[str], Project]) -> None:
    project = built("packaged")
    (project.root / "backend.py").write_text(BACKEND, "utf-8")
    (project.root / "src" / "greeting" / "__init__.py").write_text(PROGRAM, "utf-8")
    (project.root / "before.py").write_text(f"{SPILL}\nspill()\nimport sys\nsys.exit(len(sys.argv) - 1)\n", "utf-8")
    project.edit(
        "pyproject.toml", 'build-backend = "poetry.core.masonry.api"', 'build-backend = "backend"\nbackend-path = ["."]'
    )
    project.append("pyproject.toml", SETTINGS)
    runs = [
        ("-s", "cache-key", "platform"),
        ("--verbose", "-s", "install", "freeze", "pex", "--", "--force"),
        ("-s", "smoke", "--", "--binary", "dist/greet.pex"),
        ("--verbose", "-s", "verify"),
        ("-s", "image"),
    ]
    shown = {}
    with command_lines() as seen:
        for arguments in runs:
            shown[" ".join(arguments)] = project.run(*arguments, env=CANARIES)
            assert [
                (path, found) for path, data in written_files(project) if (found := found_in(data.decode("latin-1")))
            ] == []
        project.edit("pyproject.toml", '"before.py"]', '"before.py", "fail"]')
        shown["before"] = project.run("-s", "smoke", env=CANARIES)
        (project.root / "fails").touch()
        shown["build"] = project.run("-s", "pex", "--", "--force", env=CANARIES)
        project.edit("pyproject.toml", 'secrets = ["LICENCE"]', 'secrets = ["LICENCE"]\nunknown = 1')
        shown["config"] = project.run("-s", "pex", env=CANARIES)
        shown["clean"] = project.run("-s", "clean", env=CANARIES)
    for name, result in shown.items():
        assert found_in(result.output) == [], f"{name}\n{result.output}"
    assert [line for line in seen if found_in(line)] == []
    assert "****" in shown["build"].output
    assert "error[build-failed]" in shown["build"].output
    assert "error[check-failed]" in shown["-s smoke -- --binary dist/greet.pex"].output
    assert "error[launch-failed]" in shown["before"].output
    assert shown["--verbose -s install freeze pex -- --force"].status == 0
