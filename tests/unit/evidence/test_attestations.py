from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.evidence import attestations
from nox_pex.evidence.attestations import Subject
from nox_pex.evidence.kinds import KINDS, PREDICATE_TYPES, Kind
from tests.support import in_toto

SUBJECTS = (Subject(name="service.pex", sha256="3a" * 32), Subject(name="service-linux-x86_64", sha256="5c" * 32))


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "dist" / "service.attestations"


@pytest.mark.parametrize("kind", KINDS)
def test_a_statement_names_its_files_by_their_digests(kind: Kind) -> None:
    value = attestations.statement(kind, {"a": "caf\u00e9 \ud800 \x1b\u202e"}, SUBJECTS)
    text = attestations.json_text(value)
    assert text.endswith("}\n")
    assert not text.endswith("\n\n")
    assert not {*text} & {"\x1b", "\u202e", "\ud800"}
    assert text == attestations.json_text(json.loads(text))
    read = in_toto.read_statement(text)
    assert read.predicate_type == PREDICATE_TYPES[kind]
    assert [(each.name, dict(each.digest)) for each in read.subject] == [
        (subject.name, {"sha256": subject.sha256}) for subject in SUBJECTS
    ]


def test_a_statement_about_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a subject"):
        attestations.statement("smoke", {"a": 1}, ())


def test_a_predicate_alone_is_that_of_the_statement(directory: Path) -> None:
    attestations.write(directory, {"smoke": {"b": 1, "a": 2}}, SUBJECTS)
    assert names(directory) == ["smoke.predicate.json", "smoke.statement.json"]
    statement = json.loads((directory / "smoke.statement.json").read_text("utf-8"))
    assert json.loads((directory / "smoke.predicate.json").read_text("utf-8")) == statement["predicate"]
    assert stat.S_IMODE((directory / "smoke.statement.json").stat().st_mode) == 0o644
    assert names(directory.parent) == [directory.name]


def test_files_of_an_earlier_run_go_and_others_stay(directory: Path) -> None:
    attestations.write(directory, {"smoke": {"a": 1}, "sbom": {"a": 1}}, SUBJECTS)
    (directory / "sbom.sigstore.json").write_text("{}", "utf-8")
    (directory / "mine.json").write_text("mine", "utf-8")
    (directory / "deep" / "er").mkdir(parents=True)
    (directory / "deep" / "er" / "mine").write_text("mine", "utf-8")
    (directory / "link").symlink_to("nowhere")
    attestations.write(directory, {"verify": {"a": 2}}, SUBJECTS)
    found = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*"))
    ours = ["verify.predicate.json", "verify.statement.json"]
    assert found == ["deep", "deep/er", "deep/er/mine", "link", "mine.json", *ours]
    assert (directory / "link").readlink() == Path("nowhere")
    assert (directory / "mine.json").read_text("utf-8") == "mine"


def test_nothing_changes_if_a_predicate_cannot_be_written(directory: Path) -> None:
    attestations.write(directory, {"smoke": {"a": 1}}, SUBJECTS)
    before = (directory / "smoke.statement.json").read_bytes()
    with pytest.raises(TypeError):
        attestations.write(directory, {"smoke": {"a": 2}, "sbom": {"a": object()}}, SUBJECTS)
    assert (directory / "smoke.statement.json").read_bytes() == before
    assert names(directory.parent) == [directory.name]


def test_what_a_killed_run_left_is_removed(directory: Path) -> None:
    left = directory.parent / f".{directory.name}.abcdefgh"
    left.mkdir(parents=True)
    attestations.write(directory, {"smoke": {"a": 1}}, SUBJECTS)
    assert not left.exists()


def test_a_file_in_the_place_of_the_directory_stays(directory: Path) -> None:
    directory.parent.mkdir()
    directory.write_text("mine", "utf-8")
    with pytest.raises(NoxPexError, match="a file with this name exists") as caught:
        attestations.write(directory, {"smoke": {"a": 1}}, SUBJECTS)
    assert caught.value.code == "os-error"
    assert directory.read_text("utf-8") == "mine"


def test_a_link_in_the_place_of_the_directory_is_replaced_and_its_target_stays(directory: Path, tmp_path: Path) -> None:
    directory.parent.mkdir()
    (other := tmp_path / "other").mkdir()
    (other / "smoke.statement.json").write_text("mine", "utf-8")
    directory.symlink_to(other)
    attestations.write(directory, {"smoke": {"a": 1}}, SUBJECTS)
    assert not directory.is_symlink()
    assert (other / "smoke.statement.json").read_text("utf-8") == "mine"


def test_what_an_earlier_run_wrote_is_removed_and_nothing_else(directory: Path) -> None:
    attestations.remove(directory)
    attestations.write(directory, {"smoke": {"a": 1}}, SUBJECTS)
    (directory / "mine.txt").write_text("mine", "utf-8")
    (directory / "smoke.sigstore.json").write_text("{}", "utf-8")
    attestations.remove(directory)
    assert names(directory) == ["mine.txt"]
    (directory / "mine.txt").unlink()
    attestations.remove(directory)
    assert not directory.exists()


def test_what_a_link_leads_to_is_not_removed(directory: Path, tmp_path: Path) -> None:
    attestations.write(tmp_path / "other", {"smoke": {"a": 1}}, SUBJECTS)
    directory.parent.mkdir()
    directory.symlink_to(tmp_path / "other")
    attestations.remove(directory)
    assert names(tmp_path / "other") == ["smoke.predicate.json", "smoke.statement.json"]
