"""A private source that a real pypiserver serves, only with a password."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.binaries import launch
from tests.support.commands import HANGS_AFTER, clean_environ
from tests.support.distribution_files import write_wheel
from tests.support.locker import Locker
from tests.support.nox_project import Project

USER, SECRET = "POETRY_HTTP_BASIC_PRIVATE_USERNAME", "POETRY_HTTP_BASIC_PRIVATE_PASSWORD"
GIVEN = {USER: "joe", SECRET: "hunter2-is-secret"}
SERVE = """\
import sys
from wsgiref.simple_server import make_server

import pypiserver

roots, passwords = sys.argv[1:]
authenticate = ["update", "download", "list"]
app = pypiserver.app(roots=[roots], password_file=passwords, authenticate=authenticate, disable_fallback=True)
with make_server("127.0.0.1", 0, app) as server:
    print(server.server_port, flush=True)
    server.serve_forever()
"""
"""Serves pypiserver on a free port, and prints the port: its own command cannot choose one."""


@pytest.fixture
def pypiserver(tmp_path: Path) -> Iterator[str]:
    """The address of a pypiserver with one wheel that no other index has."""
    write_wheel(tmp_path / "wheels", "acme_inner", {"acme_inner.py": "TEXT = 'inner'\n"})
    digest = hashlib.sha1(GIVEN[SECRET].encode(), usedforsecurity=False).digest()
    htpasswd = tmp_path / "htpasswd"
    htpasswd.write_text(f"{GIVEN[USER]}:{{SHA}}{base64.b64encode(digest).decode()}\n", "utf-8")
    log = tmp_path / "pypiserver.log"
    argv = [sys.executable, "-c", SERVE, str(tmp_path / "wheels"), str(htpasswd)]
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            argv, env=clean_environ(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stream, text=True
        ) as server,
    ):
        try:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            assert port, log.read_text("utf-8")
            url = f"http://127.0.0.1:{port}"
            assert status_of(f"{url}/simple/") == 401  # even the list of packages needs the password
            yield url
        finally:
            server.kill()


def status_of(url: str) -> int:
    """The status of the response to a request without credentials."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=HANGS_AFTER) as response:
            return int(response.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


def application(url: str) -> dict[str, str]:
    return {
        "pyproject.toml": (
            '[tool.poetry]\nname = "app"\npackage-mode = false\n\n[tool.poetry.dependencies]\npython = ">=3.10"\n'
            'acme-inner = { version = "1.0", source = "private" }\n\n'
            f'[[tool.poetry.source]]\nname = "private"\nurl = "{url}/simple/"\npriority = "explicit"\n\n'
            '[tool.nox-pex.binary.app]\nentry-point = "main:main"\n'
        ),
        "main.py": "from acme_inner import TEXT\n\n\ndef main() -> None:\n    print(TEXT)\n",
    }


def test_a_source_of_pypiserver_serves_the_build_with_the_password_and_refuses_another(
    write_project: Callable[..., Project], lock: Locker, pypiserver: str, tmp_path: Path, home: Path
) -> None:
    app = write_project("app", application(pypiserver))
    lock(app, env=GIVEN)
    wrong = {**GIVEN, SECRET: "not-the-password", "POETRY_CACHE_DIR": str(tmp_path / "cold")}
    assert "not-the-password" not in app.refused("index-auth", "-s", "pex", env=wrong)
    result = app.nox("-v", "-s", "pex", env=GIVEN)
    assert GIVEN[SECRET] not in result.output
    assert launch(app.binary("app"), home=home).output == "inner\n"
