from __future__ import annotations

import errno
import json
import os
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage

from nox_pex.errors import NoxPexError
from nox_pex.evidence import signing
from nox_pex.evidence.kinds import KINDS, PREDICATE_TYPES
from tests.support.signing_keys import ED25519, P256, loaded
from tests.support.statements import SHA256, statement, text, write_statements


def envelopes(bundle: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in bundle.read_text("utf-8").splitlines()]


def listed(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*"))


def test_each_statement_is_signed_as_it_is(tmp_path: Path) -> None:
    directory = write_statements(tmp_path)

    bundle = signing.sign(directory, loaded(ED25519))

    assert bundle == tmp_path / "service.pex.intoto.jsonl"
    signed = envelopes(bundle)
    assert [b64decode(each["payload"]) for each in signed] == [
        (directory / f"{kind}.statement.json").read_bytes() for kind in KINDS
    ]
    for kind, envelope in zip(KINDS, signed, strict=True):
        assert json.loads((directory / f"{kind}.sigstore.json").read_bytes())["dsseEnvelope"] == envelope
    assert bundle.stat().st_mode & 0o777 == 0o644


def test_in_toto_attestation_reads_the_payloads(tmp_path: Path) -> None:
    for envelope, kind in zip(envelopes(signing.sign(write_statements(tmp_path), loaded(P256))), KINDS, strict=True):
        message = ParseDict(json.loads(b64decode(envelope["payload"])), StatementMessage())
        Statement.copy_from_pb(message).validate()
        assert message.predicate_type == PREDICATE_TYPES[kind]
        assert message.subject[0].digest["sha256"] == SHA256


def test_ed25519_gives_the_same_files_twice(tmp_path: Path) -> None:
    directory = write_statements(tmp_path)
    signing.sign(directory, loaded(ED25519))
    first = {name: (tmp_path / name).read_bytes() for name in listed(tmp_path) if (tmp_path / name).is_file()}

    signing.sign(directory, loaded(ED25519))

    assert {name: (tmp_path / name).read_bytes() for name in first} == first
    assert len(first) == 9


def test_a_missing_kind_leaves_no_signature_of_an_older_one(tmp_path: Path) -> None:
    directory = write_statements(tmp_path)
    signing.sign(directory, loaded(ED25519))
    (directory / "provenance.statement.json").unlink()

    bundle = signing.sign(directory, loaded(ED25519))

    assert len(envelopes(bundle)) == 3
    assert not (directory / "provenance.sigstore.json").exists()


def test_older_signatures_are_removed_without_a_key(tmp_path: Path) -> None:
    directory = write_statements(tmp_path)
    before = listed(tmp_path)
    signing.sign(directory, loaded(ED25519))

    signing.unsigned(directory)
    signing.unsigned(directory)

    assert listed(tmp_path) == before


def test_a_link_in_the_place_of_an_output_is_replaced(tmp_path: Path) -> None:
    directory = write_statements(tmp_path / "dist")
    (tmp_path / "other").write_text("other")
    (directory / "smoke.sigstore.json").symlink_to(tmp_path / "other")
    (tmp_path / "dist" / "service.pex.intoto.jsonl").symlink_to(tmp_path / "other")

    signing.sign(directory, loaded(ED25519))

    assert (tmp_path / "other").read_text() == "other"
    assert not (directory / "smoke.sigstore.json").is_symlink()


def of_another_file(path: Path) -> None:
    path.write_bytes(text(statement("smoke", "4b" * 32)))


def replaced(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def replace(path: Path) -> None:
        path.unlink()
        make(path)

    return replace


def oversized(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate((64 << 20) + 1)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda path: path.write_bytes(b""), "is no in-toto statement"),
        (lambda path: path.write_bytes(b"\xff{}"), "is no in-toto statement"),
        (lambda path: path.write_bytes(b"[" * 100_000), "is no in-toto statement"),
        (lambda path: path.write_bytes(text([])), "is no in-toto statement"),
        (lambda path: path.write_bytes(text(statement("smoke") | {"_type": "other"})), "is no in-toto statement"),
        (lambda path: path.write_bytes(text(statement("smoke") | {"subject": "x"})), "is no in-toto statement"),
        (lambda path: path.write_bytes(text(statement("smoke"))[:-1] + b',"_type":"x"}'), "is no in-toto statement"),
        (
            lambda path: path.write_bytes(text(statement("smoke")).replace(b'"result"', b'"result":1,"result"')),
            "has a key twice",
        ),
        (lambda path: path.write_bytes(text(statement("verify"))), "is not a statement of the kind smoke"),
        (lambda path: path.write_bytes(text(statement("smoke") | {"subject": []})), "is about no file"),
        (lambda path: path.write_bytes(text(statement("smoke", "x"))), "is about no file"),
        (oversized, "is too large"),
        (replaced(os.mkdir), "is not a regular file"),
        (replaced(os.mkfifo), "is not a regular file"),
        (replaced(lambda path: path.symlink_to("verify.statement.json")), "is not a regular file"),
        (replaced(lambda path: path.symlink_to("nowhere")), "is not a regular file"),
    ],
)
def test_a_file_that_is_no_statement_of_its_kind_is_not_signed(
    damage: Callable[[Path], object], problem: str, tmp_path: Path
) -> None:
    directory = write_statements(tmp_path)
    path = directory / "smoke.statement.json"
    damage(path)
    before = listed(tmp_path)

    with pytest.raises(NoxPexError) as caught:
        signing.sign(directory, loaded(ED25519))

    assert caught.value.code == "not-proven"
    assert caught.value.problem == f"{path} {problem}"
    assert listed(tmp_path) == before


def test_no_older_signature_stays_next_to_statements_that_are_refused(tmp_path: Path) -> None:
    directory = write_statements(tmp_path)
    before = listed(tmp_path)
    signing.sign(directory, loaded(ED25519))
    of_another_file(directory / "smoke.statement.json")

    with pytest.raises(NoxPexError, match="not about the same file"):
        signing.sign(directory, loaded(ED25519))

    assert listed(tmp_path) == before


def test_statements_about_different_files_are_not_signed(tmp_path: Path) -> None:
    directory = write_statements(tmp_path)
    of_another_file(directory / "smoke.statement.json")

    with pytest.raises(NoxPexError, match="not about the same file"):
        signing.sign(directory, loaded(ED25519))


def test_statements_that_no_check_would_read_are_not_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nox_pex.evidence.check.bundle.LARGEST", 2000)
    directory = write_statements(tmp_path)

    with pytest.raises(NoxPexError, match="too large for one file"):
        signing.sign(directory, loaded(ED25519))

    assert not (tmp_path / "service.pex.intoto.jsonl").exists()


def test_a_file_that_cannot_be_written_leaves_no_signature(tmp_path: Path) -> None:
    directory = write_statements(tmp_path)
    (directory / "verify.sigstore.json").mkdir()
    (directory / "verify.sigstore.json" / "file").touch()

    with pytest.raises(NoxPexError) as caught:
        signing.sign(directory, loaded(ED25519))

    assert caught.value.code in {"os-error", "disk-full"}
    assert not (tmp_path / "service.pex.intoto.jsonl").exists()
    assert not (directory / "provenance.sigstore.json").exists()


def test_a_directory_that_cannot_be_searched_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = write_statements(tmp_path)
    lstat = Path.lstat

    def denied(path: Path) -> os.stat_result:
        if path.parent == directory:  # root may search every directory
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", denied)
    with pytest.raises(NoxPexError) as caught:
        signing.sign(directory, loaded(ED25519))

    assert caught.value.code in {"os-error", "disk-full"}
    assert "Permission denied" in caught.value.problem


@pytest.mark.parametrize("name", ["missing.attestations", "file.attestations", "other", ".attestations"])
def test_another_directory_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file.attestations").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / ".attestations").mkdir()

    with pytest.raises(NoxPexError) as caught:
        signing.sign(tmp_path / name, loaded(ED25519))

    assert caught.value.code == "usage"
    assert "is not a directory NAME.attestations" in caught.value.problem


def test_a_directory_without_statements_and_a_link_to_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.attestations").mkdir()
    (tmp_path / "link.attestations").symlink_to(write_statements(tmp_path / "elsewhere"))

    for name, problem in (("empty", "has no statements"), ("link", "is a link")):
        with pytest.raises(NoxPexError, match=problem):
            signing.sign(tmp_path / f"{name}.attestations", loaded(ED25519))


def test_the_directories_to_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dist = tmp_path / "dist"
    first = write_statements(dist)
    second = dist / "admin.attestations"
    second.mkdir()
    (dist / "file.attestations").touch()

    assert signing.directories(dist) == (second, first)
    assert signing.directories(first) == (first,)
    monkeypatch.chdir(first)
    assert signing.directories(Path()) == (first,)
    assert signing.directories(Path("..")) == (second, first)
    for wrong in (tmp_path, dist / "missing", dist / "file.attestations"):
        with pytest.raises(NoxPexError) as caught:
            signing.directories(wrong)
        assert caught.value.code == "usage"


def test_signatures_that_a_link_leads_to_stay(tmp_path: Path) -> None:
    mine, link = tmp_path / "mine", tmp_path / "service.attestations"
    mine.mkdir()
    (mine / "smoke.sigstore.json").write_text("mine", "utf-8")
    link.symlink_to(mine)
    signing.unsigned(link)
    assert (mine / "smoke.sigstore.json").read_text("utf-8") == "mine"


def test_a_directory_in_the_place_of_a_signature_is_one_line(tmp_path: Path) -> None:
    directory = tmp_path / "service.attestations"
    for path in (directory / "smoke.sigstore.json", tmp_path / "service.pex.intoto.jsonl"):
        path.mkdir(parents=True)
        with pytest.raises(NoxPexError, match="a directory with this name exists") as caught:
            signing.unsigned(directory)
        assert caught.value.code == "os-error"
