"""A private source that a real pypiserver gives, to those alone who have the password."""

from __future__ import annotations

import base64
import hashlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.binaries import launch
from tests.support.commands import clean_environ
from tests.support.distribution_files import write_wheel
from tests.support.locker import Locker
from tests.support.nox_project import Project

pytestmark = pytest.mark.integration

USER, SECRET = "POETRY_HTTP_BASIC_PRIVATE_USERNAME", "POETRY_HTTP_BASIC_PRIVATE_PASSWORD"
GIVEN = {USER: "joe", SECRET: "hunter2-is-secret"}
PATIENCE = 30.0
"""Seconds that the server has to answer."""


@pytest.fixture
def pypiserver(tmp_path: Path) -> Iterator[str]:
    """The address of a pypiserver with one wheel that no other index has."""
    write_wheel(tmp_path / "wheels", "acme_inner", {"acme_inner.py": "TEXT = 'inner'\n"})
    digest = hashlib.sha1(GIVEN[SECRET].encode(), usedforsecurity=False).digest()
    htpasswd = tmp_path / "htpasswd"
    htpasswd.write_text(f"{GIVEN[USER]}:{{SHA}}{base64.b64encode(digest).decode()}\n", "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "pypiserver.log"
    words = ["run", "--host", "127.0.0.1", "--port", str(port), "--disable-fallback", "--server", "wsgiref"]
    words += ["--authenticate", "update,download,list", "--passwords", str(htpasswd), str(tmp_path / "wheels")]
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            [sys.executable, "-m", "pypiserver", *words],
            env=clean_environ(),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        ) as server,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            until = time.monotonic() + PATIENCE
            while (status := asked(f"{url}/simple/")) is None:
                assert server.poll() is None, log.read_text("utf-8")
                assert time.monotonic() < until, log.read_text("utf-8")
                time.sleep(0.05)
            assert status == 401  # not even the list is for everyone
            yield url
        finally:
            server.kill()


def asked(url: str) -> int | None:
    """The status that an address answers without credentials; None as long as nothing listens there."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code
    except OSError:
        return None


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


def test_a_source_that_pypiserver_gives(
    written: Callable[..., Project], lock: Locker, pypiserver: str, tmp_path: Path, home: Path
) -> None:
    app = written("app", application(pypiserver))
    lock(app, env=GIVEN)
    wrong = {**GIVEN, SECRET: "not-the-password", "POETRY_CACHE_DIR": str(tmp_path / "cold")}
    assert "not-the-password" not in app.refused("index-auth", "-s", "pex", env=wrong)
    result = app.nox("-v", "-s", "pex", env=GIVEN)
    assert GIVEN[SECRET] not in result.output
    assert launch(app.binary("app"), home=home).output == "inner\n"
