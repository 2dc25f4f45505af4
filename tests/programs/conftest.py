"""Pack each program in `programs/` as a binary, smoke-test it in one call, and check that it leaves nothing behind.

All tests here carry the marker `programs`.
"""

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
from tests.support.shown import say_into
from tests.support.smoke_test import GREETING, LEFT_OPEN, QUICK, SmokeTest, Tested
from tests.support.targets import target_of

PROGRAMS = Path(__file__).with_name("programs")
# The Python below a virtual environment, so that a binary cannot find the packages that are installed for the tests.
PYTHON: str = getattr(sys, "_base_executable", sys.executable)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:  # of the whole run
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.programs)


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The parent of temporary directories in this test. Its path is short, because Unix sockets need short paths."""
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
    """Pack a program as one executable file, as a PEX is."""

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
    """Pack and smoke-test a program. Afterwards check that no process, file or listener of it is left."""
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
            say=say_into(said.append, works=True),
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
