"""Ctrl-C while a registry does not answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.commands import clean_environ
from tests.support.faulty_registry import Answer, serve_registry
from tests.support.nox_project import CHECKOUT

_PROGRAM = """
import os, sys
from nox_pex.oci import reference
from nox_pex.registry.push import push
from nox_pex.registry.repository import open_repository
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from tests.support.small_images import image

say = lambda line: print(line, flush=True)
shell = Shell(environ=os.environ, secrets=Secrets(), say=say)
with open_repository(reference.parse(sys.argv[1]), environ=os.environ, shell=shell, say=say) as repository:
    push(repository, image(*(b"%d" % number for number in range(20))), say=say)
"""


@pytest.mark.parametrize("where", ["GET /v2/ *$", "HEAD .*blobs", "POST .*uploads", "PUT .*uploads", "PUT .*manifests"])
def test_a_push_ends_at_once(where: str, tmp_path: Path) -> None:
    environ = {
        **clean_environ(),
        "HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(CHECKOUT / "tasks"), str(CHECKOUT)]),
    }
    with serve_registry() as server:
        server.answer(where, Answer(wait=120))
        argv = [sys.executable, "-c", _PROGRAM, f"{server.host}/team/app"]
        with subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            deadline = time.monotonic() + 30
            path = where.partition(".*")[2] or "/v2/"
            while not any(
                path.rstrip(" *$") in each.path and where.startswith(each.method) for each in server.requests
            ):
                assert time.monotonic() < deadline
                assert process.poll() is None, process.stdout and process.stdout.read()
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            started = time.monotonic()
            process.wait(20)
            assert time.monotonic() - started < 3
            assert process.returncode == -signal.SIGINT
