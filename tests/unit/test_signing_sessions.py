"""When the real Nox may run a session that signs; nothing is installed or built here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import nox_pex
from tests.support.commands import clean_environ, run
from tests.support.signing_keys import ED25519, private_pem

TASKS = Path(nox_pex.__file__).parents[1]
NOXFILE = f"""
import sys
sys.path.insert(0, {str(TASKS)!r})
import nox
import nox_pex

nox_pex.register()

@nox.session(venv_backend="none")
def docs(session):
    print("ran docs")

@nox.session(venv_backend="none", requires=["attest"])
def upload(session):
    print("ran upload")
"""
PROJECT = """
[project]
name = "shop"
version = "1"

[tool.nox-pex.binary.api]
script = "x"
smoke = { command = [{ exit-code = 0 }] }
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "noxfile.py").write_text(NOXFILE, "utf-8")
    (tmp_path / "pyproject.toml").write_text(PROJECT, "utf-8")
    (tmp_path / "key.pem").write_text(private_pem(ED25519), "utf-8")
    return tmp_path


def nox(project: Path, *arguments: str, **variables: str) -> str:
    argv = [sys.executable, "-m", "nox", *arguments]
    return run(argv, cwd=project, env={**clean_environ(), **variables}).output


@pytest.mark.parametrize("arguments", [["-s", "attest"], ["-s", "attest", "--", "--key", "key.pem"]], ids=" ".join)
def test_a_key_and_parallel_are_refused_before_anything_is_installed(project: Path, arguments: list[str]) -> None:
    variables = {} if "--" in arguments else {"NOX_PEX_SIGNING_KEY": str(project / "key.pem")}
    shown = nox(project, "-j2", *arguments, **variables)
    refused = [line for line in shown.splitlines() if "error[" in line]
    assert len(refused) == 1
    assert "Session install aborted: error[usage]: attest signs only if no other session runs at the same" in refused[0]


def test_no_session_that_does_not_require_the_signatures_runs_after_them(project: Path) -> None:
    key = {"NOX_PEX_SIGNING_KEY": str(project / "key.pem")}
    refused = "error[usage]: attest signs only after all other sessions, and docs would run later; "
    assert refused in nox(project, "--no-dependencies", "-s", "attest", "docs", "upload", **key)
    for argument in ("-s", "docs", "attest", "upload"), ("-s", "attest", "upload"):
        assert "error[not-proven]" in nox(project, "--no-dependencies", *argument, **key)
    assert "error[not-proven]" in nox(project, "--no-dependencies", "-s", "attest", "docs")


def test_a_key_that_no_session_uses_is_refused(project: Path) -> None:
    shown = nox(project, "-s", "pex", "--", "--key", "key.pem")
    assert "Session install aborted: error[usage]: --key is given, and no session of this run signs; " in shown
