"""Statements about a file, and who claims to have signed them."""

from __future__ import annotations

from pathlib import Path

from nox_pex.evidence.kinds import KINDS
from nox_pex.page import statement_files
from nox_pex.page.statement_files import Signed, Statements
from tests.support.bundles import GOOD, bundle, envelope, line
from tests.support.signing_keys import ED25519, loaded
from tests.support.statements import SHA256, statement, text, write_statements

OTHER = "0b" * 32


def test_statements_about_the_file_are_there_by_kind(tmp_path: Path) -> None:
    directory = write_statements(tmp_path)
    (directory / "verify.statement.json").write_bytes(text(statement("verify", OTHER)))
    (directory / "sbom.statement.json").write_bytes(b"{}")
    found = statement_files.read(directory, sha256=SHA256)
    assert (found.standing, found.kinds) == ("current", ("provenance", "smoke"))
    assert found.note == "some cannot be read and some are about another file"


def test_without_statements_attest_has_not_run(tmp_path: Path) -> None:
    assert statement_files.read(tmp_path / "no", sha256=SHA256) == Statements(standing="not-run")
    assert statement_files.read(write_statements(tmp_path), sha256=OTHER).standing == "other-file"


def test_a_statement_of_another_kind_than_its_name_says_is_not_read(tmp_path: Path) -> None:
    directory = tmp_path / "service.attestations"
    directory.mkdir()
    (directory / "smoke.statement.json").write_bytes(text(statement("verify")))
    assert statement_files.read(directory, sha256=SHA256).standing == "unreadable"


def test_signed_lines_name_their_keys(tmp_path: Path) -> None:
    path = tmp_path / "service.pex.intoto.jsonl"
    path.write_bytes(bundle())
    keyid = loaded(ED25519).keyid
    found = statement_files.read_signed(path, sha256=SHA256)
    assert found == Signed(standing="current", keyids=dict.fromkeys(KINDS, (keyid,)))
    assert statement_files.read_signed(path, sha256=OTHER).standing == "other-file"


def test_lines_that_are_not_about_the_file_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "service.pex.intoto.jsonl"
    wrong = line({**envelope(text(statement("smoke"))), "payload": "!"})
    path.write_bytes(b"\n".join([GOOD["smoke"], wrong, b"{", b"", line([]), line(envelope(b"{}"))]))
    found = statement_files.read_signed(path, sha256=SHA256)
    assert list(found.keyids) == ["smoke"]
    assert found.note == "5 of its 6 lines are not about this file"


def test_too_many_lines_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "service.pex.intoto.jsonl"
    path.write_bytes(b"\n" * 1001)
    assert statement_files.read_signed(path, sha256=SHA256).standing == "unreadable"
    assert statement_files.read_signed(tmp_path / "no", sha256=SHA256) == Signed(standing="not-run")
