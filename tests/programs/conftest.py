"""A binary for each program in `programs/`, a smoke test of it in one call, and a look at what it left."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import sys
import tempfile
import time
import zipapp
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from nox_pex.smoke.plan import Options
from nox_pex.smoke.run import run
from nox_pex.system.secrets import Secrets
from tests.support.processes import assert_nothing_left
from tests.support.smoke_test import GREETING, LEFT_OPEN, QUICK, SmokeTest, Tested
from tests.support.targets import target_of

PROGRAMS = Path(__file__).with_name("programs")
# The Python that a virtual environment was made with: a binary must not find what is installed for the tests.
PYTHON: str = getattr(sys, "_base_executable", sys.executable)


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the smoke tests of this test make their directories: short, since Unix sockets have short names."""
    directory = Path(tempfile.mkdtemp(prefix="t-")).resolve()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    return directory


@pytest.fixture
def binary(tmp_path: Path) -> Callable[[str], Path]:
    """Packs a program as one executable file, which is what a PEX is too."""

    def pack(program: str, python: str = PYTHON) -> Path:
        source = tmp_path / f"{program}-source"
        if not source.exists():
            source.mkdir()
            shutil.copy(PROGRAMS / "serving.py", source)
            shutil.copy(PROGRAMS / f"{program}.py", source / "__main__.py")
        target = tmp_path / f"{program}.pex"
        zipapp.create_archive(source, target, interpreter=f"{python} -I")
        target.chmod(target.stat().st_mode | stat.S_IXUSR)
        return target

    return pack


@pytest.fixture
def smoke_test(binary: Callable[[str], Path], project: Path, temporary: Path, tmp_path: Path) -> Iterator[SmokeTest]:
    """Packs and smoke-tests a program, and afterwards finds that nothing of it is left."""
    ports: set[int] = set()

    def smoke(
        program: str | Path,
        *args: str,
        budget: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        options: Options | None = None,
        secrets: Secrets | None = None,
        **settings: Any,
    ) -> Tested:
        table = {"args": list(args), **QUICK}
        table |= {key.replace("_", "-"): value for key, value in settings.items()}
        if not {"http", "tcp", "command"} & set(table):
            table["http"] = [GREETING]
        said: list[str] = []
        started = time.monotonic()
        report = run(
            target_of(
                binary(program) if isinstance(program, str) else program,
                root=project,
                smoke=table,
                budget=budget or {},
            ),
            environ=os.environ if environ is None else environ,
            secrets=secrets or Secrets(),
            options=options or Options(),
            say=said.append,
        )
        for line in said:
            ports.update(int(port) for port in re.findall(r"(?:127\.0\.0\.1|\]):(\d+)", line))
        if report.failure is not None:
            assert "\n" not in str(report.failure)
        return Tested(report, said, time.monotonic() - started)

    yield smoke
    assert_nothing_left(temporary, tmp_path)
    for port in ports - set(LEFT_OPEN):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"port {port} still answers"
