"""The command lines of a page work as they are pasted."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path

import pytest

from nox_pex import command_line
from nox_pex.evidence.kinds import KINDS
from nox_pex.page import commands
from nox_pex.page.commands import Sessions
from tests.support.bundles import envelope, line
from tests.support.commands import clean_environ, run
from tests.support.signing_keys import ED25519, public_pem
from tests.support.statements import statement, text

CONTENT = b"a file"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("name", ["service.pex", "my service.pex", "it's.pex", "-x.pex", "$(id).pex"])
def test_the_checksum_fits_the_file_and_no_other(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(CONTENT)
    command = commands.checksum(name, sha256=DIGEST, is_directory=False, has_checksums=False)
    assert command is not None
    assert run(["sh", "-c", command.text], cwd=tmp_path, env=clean_environ()).status == 0
    (tmp_path / name).write_bytes(b"another file")
    assert run(["sh", "-c", command.text], cwd=tmp_path, env=clean_environ()).status != 0


def test_a_directory_is_compared_file_by_file_if_there_is_a_list() -> None:
    found = commands.checksum("service.pex", sha256=DIGEST, is_directory=True, has_checksums=True)
    assert found is not None
    assert found.text == "sha256sum -c service.pex.sha256"
    assert commands.checksum("service.pex", sha256=DIGEST, is_directory=True, has_checksums=False) is None


@pytest.mark.parametrize("name", ["a\nb", "a\\b"])
def test_a_name_that_coreutils_escape_has_no_command(name: str) -> None:
    assert commands.checksum(name, sha256=DIGEST, is_directory=False, has_checksums=False) is None


def test_the_check_of_signatures_names_what_is_there() -> None:
    (complete,) = commands.check("service.pex", bundle="service.pex.intoto.jsonl", kinds=KINDS)
    assert complete.text == "nox-pex check service.pex --key key.pub"
    (other,) = commands.check("other.pex", bundle="service.pex.intoto.jsonl", kinds=("smoke", "sbom"))
    assert other.text == "nox-pex check other.pex --bundle service.pex.intoto.jsonl --key key.pub --require smoke,sbom"
    assert list(commands.check("-x", bundle="b", kinds=KINDS)) == []


def test_the_pasted_check_proves_the_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "service.pex").write_bytes(CONTENT)
    (tmp_path / "key.pub").write_text(public_pem(ED25519), "utf-8")
    (tmp_path / "own.jsonl").write_bytes(line(envelope(text(statement("smoke", DIGEST)))))
    (command,) = commands.check("service.pex", bundle="own.jsonl", kinds=KINDS[1:2])
    monkeypatch.chdir(tmp_path)
    assert command_line.main(shlex.split(command.text)[1:]) == 0
    (tmp_path / "service.pex").write_bytes(b"another file")
    assert command_line.main(shlex.split(command.text)[1:]) == 1


def test_the_check_of_an_image_names_its_digest() -> None:
    name = f"registry.example/service@sha256:{'1' * 64}"
    (found,) = commands.check_image(name, kinds={"smoke", "sbom"})
    assert found.text == f"nox-pex check --image {name} --key key.pub --require smoke,sbom"
    (complete,) = commands.check_image(name, kinds={"smoke", "sbom", "provenance"})
    assert complete.text == f"nox-pex check --image {name} --key key.pub"
    assert list(commands.check_image(name, kinds=set())) == []


def test_a_step_without_a_session_has_no_command() -> None:
    sessions = Sessions(commands={"smoke": "nox -s 'smoke(api)'"}, arguments=" -- api", where="here")
    found = sessions.command("smoke")
    assert found is not None
    assert found.text == "nox -s 'smoke(api)' -- api"
    assert sessions.command("verify") is None
