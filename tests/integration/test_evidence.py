"""The proof leaves the machine with the file: `attest`, then `nox-pex check` in another directory without the project.

One project serves all tests of a step, because each of its builds takes seconds.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from nox_pex.evidence.kinds import KINDS
from tests.support.commands import Result, run
from tests.support.git_repository import GitRepository
from tests.support.in_toto import read_statement
from tests.support.nox_project import CHECKOUT, Project

PASSPHRASE: Final = "canary-passphrase-8841"

SPY: Final = """
import os, pathlib

def spy(name):
    seen = repr(dict(os.environ))
    process = os.getpid()
    while process > 1:
        directory = pathlib.Path(f"/proc/{process}")
        try:
            seen += (directory / "environ").read_bytes().decode("latin-1")
            status = (directory / "status").read_text()
        except OSError:
            break
        process = int(status.partition("PPid:")[2].split()[0])
    target = pathlib.Path(os.environ["SPY_DIRECTORY"], f"{name}-{os.getpid()}")
    target.write_text(seen)
"""
"""Writes the environment of this process, and what the kernel shows of that of each process above it."""

BACKEND: Final = f"""
from poetry.core.masonry import api
{SPY}

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    spy("backend")
    return api.build_wheel(wheel_directory, config_settings, metadata_directory)
"""

PROGRAM: Final = f"""
{SPY}

def main():
    spy("program")
    print("hello")
"""

SETTINGS: Final = """
[tool.nox-pex.binary.greet]
script = "greet"

[tool.nox-pex.binary.greet.smoke]
before = [["python3", "spy.py"]]
pass-env = ["SPY_DIRECTORY"]

[[tool.nox-pex.binary.greet.smoke.command]]
stdout-matches = "^hello$"
"""

SESSIONS: Final = """
import nox

@nox.session(venv_backend="none")
def early(session):
    session.run("python3", "spy.py", external=True)

@nox.session(venv_backend="none")
def late(session):
    session.run("python3", "spy.py", external=True)

@nox.session(venv_backend="none", requires=["attest"])
def upload(session):
    session.run("python3", "spy.py", external=True)
"""


def pem(key: Ed25519PrivateKey, passphrase: str | None = None) -> str:
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def write_public(key: Ed25519PrivateKey, path: Path) -> Path:
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def nox_pex(*arguments: str, cwd: Path) -> Result:
    """Run the console script, without Nox: its modules cannot be imported."""
    code = (
        "import sys; sys.modules['nox'] = None; "
        f"sys.path.insert(0, {str(CHECKOUT / 'tasks')!r}); from nox_pex.command_line import main; sys.exit(main())"
    )
    return run([sys.executable, "-I", "-c", code, *arguments], cwd=cwd, env={"PATH": "/usr/bin:/bin"})


@pytest.fixture
def cards(built: Callable[[str], Project]) -> Project:
    """A packaged project in a Git repository, with a build backend, a program and commands that spy."""
    project = built("packaged")
    (project.root / "backend.py").write_text(BACKEND, "utf-8")
    (project.root / "src" / "greeting" / "__init__.py").write_text(PROGRAM, "utf-8")
    (project.root / "spy.py").write_text(f"{SPY}\nspy('command')\n", "utf-8")
    project.edit(
        "pyproject.toml", 'build-backend = "poetry.core.masonry.api"', 'build-backend = "backend"\nbackend-path = ["."]'
    )
    project.append("pyproject.toml", SETTINGS)
    (project.root / ".gitignore").write_text("dist/\n.nox/\n__pycache__/\n", "utf-8")
    project.write_noxfile(before=SESSIONS)
    repository = GitRepository(root=project.root, environ=project.environ)
    repository.commit()
    repository.git("remote", "add", "origin", "https://joe:canary-password@forge.example/team/cards.git")
    return project


@pytest.mark.long
def test_the_proof_travels_with_the_file(cards: Project, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    spied = tmp_path / "spied"
    spied.mkdir()
    secret = pem(key, PASSPHRASE)
    variables = {
        "NOX_PEX_SIGNING_KEY": secret,
        "NOX_PEX_SIGNING_PASSPHRASE": PASSPHRASE,
        "SPY_DIRECTORY": str(spied),
    }
    # A real start of Nox: the process begins with the variables.
    outcome = run(cards.argv("-s", "early", "upload", "late"), cwd=cards.root, env={**cards.environ, **variables})
    assert outcome.status == 0, outcome.output

    ran = re.findall(r"^nox > \* ([a-z]+): ", outcome.output, re.MULTILINE)
    assert ran[0] == "early"
    assert ran[-3:] == ["late", "attest", "upload"]

    canaries = [PASSPHRASE, *(line for line in secret.splitlines() if len(line) > 40), "canary-password"]
    names = {path.name.partition("-")[0] for path in spied.iterdir()}
    assert names == {"backend", "command", "program"}
    seen = {path: path.read_text("utf-8", "replace") for path in spied.iterdir()}
    written = [path for part in ("dist", ".nox") for path in (cards.root / part).rglob("*") if path.is_file()]
    seen |= {path: path.read_bytes().decode("latin-1") for path in written}
    assert [path for path, text in seen.items() if any(canary in text for canary in canaries)] == []
    assert not any(canary in outcome.output for canary in canaries)

    dist, away = cards.root / "dist", tmp_path / "away"
    attestations = dist / "greet.attestations"
    endings = ("predicate.json", "sigstore.json", "statement.json")
    assert sorted(path.name for path in attestations.iterdir()) == [f"{k}.{e}" for k in sorted(KINDS) for e in endings]
    for kind in KINDS:
        read_statement((attestations / f"{kind}.statement.json").read_text("utf-8"))
    assert_is_told_apart(dist, away, key)
    assert_statements_are_true(cards, attestations)
    assert_stale_proofs_are_refused(cards, variables)


def assert_is_told_apart(dist: Path, away: Path, key: Ed25519PrivateKey) -> None:
    """Two files in an empty directory pass, and no changed one does."""
    away.mkdir()
    binary = Path(shutil.copy(dist / "greet.pex", away))
    bundle = Path(shutil.copy(dist / "greet.pex.intoto.jsonl", away))
    public = write_public(key, away / "key.pub")
    other = write_public(Ed25519PrivateKey.generate(), away / "other.pub")

    def check(*arguments: str, by: Path = public) -> tuple[int, str]:
        found = nox_pex("check", binary.name, "--key", by.name, *arguments, cwd=away)
        errors = [line for line in found.output.splitlines() if "error[" in line]
        assert len(errors) == (found.status != 0), found.output
        return found.status, errors[0].partition("error[")[2].partition("]")[0] if errors else ""

    original, lines = binary.read_bytes(), bundle.read_text("utf-8").splitlines()
    repository = "https://forge.example/team/cards"
    assert check() == (0, "")
    assert check("--source", repository, "--max-age", "1h") == (0, "")
    assert check("--source", "git@forge.example:team/cards.git") == (0, "")
    assert check("--source", "https://forge.example/team/other") == (1, "not-proven")
    assert check("--commit", "0" * 40) == (1, "not-proven")
    assert check(by=other) == (1, "signature")
    binary.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    assert check() == (1, "not-proven")
    binary.write_bytes(original)
    for at in range(len(lines)):
        envelope = json.loads(lines[at])
        payload = bytearray(base64.b64decode(envelope["payload"]))
        payload[len(payload) // 2] ^= 1
        signature = bytearray(base64.b64decode(envelope["signatures"][0]["sig"]))
        signature[10] ^= 1
        changed: list[dict[str, Any]] = [
            {**envelope, "payload": base64.b64encode(payload).decode()},
            {**envelope, "signatures": [{"sig": base64.b64encode(signature).decode()}]},
        ]
        for each in changed:
            bundle.write_text("\n".join([*lines[:at], json.dumps(each), *lines[at + 1 :]]), "utf-8")
            assert check() == (1, "signature")
    bundle.write_text("\n".join(["not for us", *lines, '{"payload": 1}']), "utf-8")
    assert check() == (0, "")
    bundle.unlink()
    assert check()[0] != 0


def assert_statements_are_true(cards: Project, attestations: Path) -> None:
    """The statements say what is known from elsewhere: the record, Git, the lock."""
    statements = {kind: json.loads((attestations / f"{kind}.statement.json").read_text("utf-8")) for kind in KINDS}
    record, commit = (
        cards.record("greet"),
        GitRepository(root=cards.root, environ=cards.environ).git("rev-parse", "HEAD"),
    )
    for kind, statement in statements.items():
        assert statement["subject"] == [{"name": "greet.pex", "digest": {"sha256": record["sha256"]}}], kind
    provenance = statements["provenance"]["predicate"]
    definition = provenance["buildDefinition"]
    assert definition["externalParameters"]["repository"] == "https://forge.example/team/cards.git"
    assert definition["externalParameters"]["binary"] == "greet"
    assert set(definition["externalParameters"]) <= {"repository", "ref", "binary", "overrides"}
    assert definition["internalParameters"]["dirty"] is False
    dependencies = definition["resolvedDependencies"]
    assert {"gitCommit": commit} in [each.get("digest") for each in dependencies]
    lock = (cards.root / "poetry.lock").read_text("utf-8")
    locked = [each for each in dependencies if "idna" in json.dumps(each)]
    assert len(locked) == 1
    assert locked[0]["digest"]["sha256"] in lock
    assert all(each["digest"] for each in dependencies)
    smoke, verify = statements["smoke"]["predicate"], statements["verify"]["predicate"]
    assert smoke["result"] == "PASSED"
    assert any(name.startswith("cold/") for name in smoke["passedTests"])
    assert verify["verificationResult"] == "PASSED"
    assert "NOX_PEX_REPRODUCIBLE" in verify["verifiedLevels"]
    assert statements["sbom"]["predicate"]["bomFormat"] == "CycloneDX"


def assert_stale_proofs_are_refused(cards: Project, variables: dict[str, str]) -> None:
    """`attest` alone, without the sessions that it needs, states nothing that is not proven today."""
    dist, alone = cards.root / "dist", ("--no-dependencies", "-s", "attest")
    bundle = dist / "greet.pex.intoto.jsonl"
    unsigned = cards.nox(*alone, env={"SPY_DIRECTORY": variables["SPY_DIRECTORY"]})
    assert unsigned.said("not signed")
    assert not bundle.exists()
    assert not list((dist / "greet.attestations").glob("*.sigstore.json"))
    signed = cards.nox(*alone, env=variables)
    assert signed.said("signed", "greet.pex.intoto.jsonl")

    for file, old, new in (
        ("greet.smoke.json", '"passed": true', '"passed": false'),
        ("greet.verify.json", '"state": "passed"', '"state": "failed"'),
        ("greet.smoke.json", '"sha256": "', '"sha256": "0'),
        ("greet.cdx.json", cards.record("greet")["sha256"], "0" * 64),
        ("greet.pex.json", '"dirty": false', '"dirty": null'),
    ):
        text = (dist / file).read_text("utf-8")
        assert old in text
        (dist / file).write_text(text.replace(old, new, 1), "utf-8")
        refused = cards.run(*alone, env=variables)
        assert refused.status != 0, file
        assert "error[not-proven]: " in refused.output, refused.output
        assert not bundle.exists()
        assert not (dist / "greet.attestations").exists()
        (dist / file).write_text(text, "utf-8")
    config = cards.environment() / "pyvenv.cfg"
    text = config.read_text("utf-8")
    config.write_text(re.sub(r"(?m)^(version.* = 3\.\d+)\..*", r"\1.99", text), "utf-8")
    assert "error[not-proven]: since greet.pex was built, " in cards.run(*alone, env=variables).output
    config.write_text(text, "utf-8")
    cards.edit("pyproject.toml", '"^hello$"', '"^hell"')
    assert "error[not-proven]: " in cards.run(*alone, env=variables).output
    passphrase = {**variables, "NOX_PEX_SIGNING_PASSPHRASE": "wrong-one"}
    cards.edit("pyproject.toml", '"^hell"', '"^hello$"')
    wrong = cards.run(*alone, env=passphrase)
    assert "error[signing]: " in wrong.output
    assert "wrong-one" not in wrong.output
