"""When the real Nox may run a session that signs; nothing is installed or built here."""

from __future__ import annotations

import re
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
NOTIFYING = """
from nox_pex import nox_queue

def rank(name):
    return 0 if name == "sign" else None

@nox.session(venv_backend="none")
def build(session):
    nox_queue.postpone(session, rank)

@nox.session(venv_backend="none", requires=["build"])
def sign(session):
    if others := nox_queue.postpone(session, rank):
        nox_queue.run_later(session, others)

@nox.session(venv_backend="none")
def notifying(session):
    session.notify("docs")
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
    assert (
        "Session install aborted: error[usage]: attest and push sign only if no other session runs at the same"
        in refused[0]
    )


@pytest.mark.parametrize(
    ("sessions", "order"),
    [
        ("attest docs upload", "attest docs attest upload"),
        ("docs attest upload", "docs attest upload"),
        ("attest upload", "attest upload"),
        ("docs push attest", "docs push attest push"),
        ("smoke report attest docs", "smoke docs attest report"),
    ],
)
def test_a_session_that_signs_begins_again_after_all_that_do_not_require_it(
    project: Path, sessions: str, order: str
) -> None:
    key = {"NOX_PEX_SIGNING_KEY": str(project / "key.pem")}
    shown = nox(project, "--no-dependencies", "-s", *sessions.split(), **key)
    assert re.findall(r"Running session (\w+)", shown) == order.split()
    assert shown.count("error[not-proven]") == 1


def test_a_report_comes_after_all_others_without_a_key_too(project: Path) -> None:
    shown = nox(project, "--no-dependencies", "-s", "smoke", "report", "verify", "docs")
    assert re.findall(r"Running session (\w+)", shown) == ["smoke", "verify", "docs", "report"]


def test_without_a_key_the_order_is_that_of_nox(project: Path) -> None:
    shown = nox(project, "--no-dependencies", "-s", "attest", "docs")
    assert re.findall(r"Running session (\w+)", shown) == ["attest", "docs"]


def test_a_session_that_is_added_late_comes_before_the_signatures_too(project: Path) -> None:
    (project / "noxfile.py").write_text(NOXFILE + NOTIFYING, "utf-8")
    key = {"NOX_PEX_SIGNING_KEY": str(project / "key.pem")}
    shown = nox(project, "-s", "sign", "notifying", **key)
    assert re.findall(r"Running session (\w+)", shown) == ["build", "notifying", "sign", "docs", "sign"]
    assert "Ran 5 sessions" in shown


def test_a_key_that_no_session_uses_is_refused(project: Path) -> None:
    shown = nox(project, "-s", "pex", "--", "--key", "key.pem")
    assert "Session install aborted: error[usage]: no session of this run uses --key; " in shown


def test_an_encrypted_key_without_a_passphrase_is_refused_before_anything_is_installed(project: Path) -> None:
    shown = nox(project, "-s", "attest", NOX_PEX_SIGNING_KEY=private_pem(ED25519, "hunter22"))
    assert "Session install aborted: error[signing]: the signing key cannot be used: it is encrypted; " in shown
