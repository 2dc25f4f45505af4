"""Ctrl-C while a registry does not answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from tests.support.commands import clean_environ
from tests.support.faulty_registry import Answer, FaultyRegistry, serve_registry
from tests.support.nox_project import CHECKOUT
from tests.support.small_images import image

_COMMON: Final = """
import os, sys
from pathlib import Path
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets

say = lambda line: print(line, flush=True)
shell = Shell(environ=os.environ, secrets=Secrets(), say=say)
"""

_PUSH: Final = f"""{_COMMON}
from nox_pex.oci import reference
from nox_pex.registry.push import push
from nox_pex.registry.repository import open_repository
from tests.support.small_images import image

with open_repository(reference.parse(sys.argv[1]), environ=os.environ, shell=shell, say=say) as repository:
    push(repository, image(*(b"%d" % number for number in range(20))), say=say)
"""

_FETCH: Final = f"""{_COMMON}
from nox_pex.image.base.fetch import fetch
from nox_pex.oci.descriptor import parse_platform
from nox_pex.tools.cache import Caches

cache = Caches(chosen=Path(os.environ["HOME"]) / "cache")
fetch(sys.argv[1], parse_platform("linux/amd64"), key="base", root=Path.cwd(), caches=cache, shell=shell)
"""


@pytest.mark.parametrize(
    ("program", "method", "path"),
    [
        (_PUSH, "GET", "/v2/"),
        (_PUSH, "HEAD", "/blobs/"),
        (_PUSH, "POST", "/blobs/uploads/"),
        (_PUSH, "PUT", "/blobs/uploads/"),
        (_PUSH, "PUT", "/manifests/"),
        (_FETCH, "GET", "/manifests/"),
        (_FETCH, "GET", f"/blobs/{image(b'one').blobs[0].descriptor.digest}"),
    ],
)
def test_ctrl_c_ends_at_once(program: str, method: str, path: str, tmp_path: Path) -> None:
    code = [str(CHECKOUT / "tasks"), str(CHECKOUT)]
    environ = {**clean_environ(), "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(code)}
    with serve_registry() as server:
        _provide(server)
        server.answer(f"{method} .*{path}", Answer(wait=120))
        argv = [sys.executable, "-c", program, f"{server.host}/team/base:1.0"]
        with subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            deadline = time.monotonic() + 30
            while not any(path in each.path and each.method == method for each in server.requests):
                assert time.monotonic() < deadline
                assert process.poll() is None, process.stdout and process.stdout.read()
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            started = time.monotonic()
            process.wait(100)
            assert time.monotonic() - started < 60  # seconds; the answer would come after 120
            assert process.returncode == -signal.SIGINT


def _provide(server: FaultyRegistry) -> None:
    """Put an image into the registry."""
    plan = image(b"one", b"two")
    for each in plan.blobs:
        assert isinstance(each.source, bytes)
        server.add_blob("team/base", each.source)
    of_image = plan.manifests[0]
    assert isinstance(of_image.source, bytes)
    server.add_manifest("team/base", "1.0", of_image.descriptor.media_type, of_image.source)
