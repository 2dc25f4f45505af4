from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from nox_pex.distributions import pex_file
from nox_pex.pex import build_record
from nox_pex.pex.checkout import Commit
from nox_pex.system.fingerprint import Inputs, digests
from tests.unit.pex.conftest import MakeTarget

COMMIT = Commit(commit="a" * 40, dirty=True)
INPUTS: Inputs = {"sources": {"main.py": "1"}, "settings": {"layout": "1"}}
OTHER: Inputs = {"sources": {"main.py": "2"}, "settings": {"layout": "1"}}


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    path = tmp_path / "service.pex"
    path.write_bytes(b"binary")
    return path


def reasons(binary: Path, known: Mapping[str, object], *, remembered: Inputs = INPUTS) -> tuple[str, ...]:
    change = build_record.change(binary, known, remembered=remembered, inputs=INPUTS)
    return change.reasons if change is not None else ()


def test_a_binary_is_unchanged_only_if_its_file_and_all_of_its_inputs_are(binary: Path) -> None:
    known = {"sha256": pex_file.digest(binary), "inputs": digests(INPUTS)}
    assert reasons(binary, known) == ()
    assert reasons(binary, known, remembered={}) == ()  # the record alone decides
    assert reasons(binary.with_name("other.pex"), known) == ("not built yet",)
    assert reasons(binary, {}) == ("no build record next to it",)
    assert reasons(binary, {"inputs": digests(INPUTS)}) == ("the file was changed after it was built",)
    binary.write_bytes(b"binarx")
    assert reasons(binary, known) == ("the file was changed after it was built",)


def test_each_changed_item_is_named_if_the_last_inputs_are_still_known(binary: Path) -> None:
    old = {"sha256": pex_file.digest(binary), "inputs": digests(OTHER)}
    assert reasons(binary, old, remembered=OTHER) == ("main.py changed",)
    assert reasons(binary, old, remembered={}) == ("sources changed",)
    assert reasons(binary, old, remembered=INPUTS) == ("sources changed",)
    assert reasons(binary, {"sha256": pex_file.digest(binary)}) == ("settings changed", "sources changed")


def test_the_kinds_that_differ_are_named_if_the_binary_is_the_one_in_the_record(binary: Path) -> None:
    known = {"sha256": pex_file.digest(binary), "inputs": digests(OTHER)}
    change = build_record.change(binary, known, remembered={}, inputs=INPUTS)
    assert change is not None
    assert change.kinds == {"sources"}
    binary.write_bytes(b"another")
    change = build_record.change(binary, known, remembered={}, inputs=INPUTS)
    assert change is not None
    assert change.kinds == frozenset()


def test_the_record_of_an_unchanged_binary_gets_the_commit_and_the_version_of_the_checkout(
    make_target: MakeTarget,
) -> None:
    old = {"name": "shop", "version": "0.9", "git": None, "seconds": {"pex": 1.0}}
    new = build_record.current(old, make_target().project, commit=COMMIT)
    assert new == {**old, "version": "1.0", "git": {"commit": "a" * 40, "dirty": True}}
    assert list(new) == list(old)
    assert build_record.commit(new) == COMMIT
    packaged = build_record.current(old, make_target(package_mode=True).project, commit=None)
    assert packaged == old  # its version is in its wheel
    assert build_record.commit(packaged) is None


def test_a_record_is_only_about_the_file_with_its_digest(binary: Path) -> None:
    record = binary.with_name(f"{binary.name}.json")
    assert build_record.of_file(binary) == {}
    for text in ("nonsense", "[]", "{}", '{"sha256": "00"}'):
        record.write_text(text, "utf-8")
        assert build_record.of_file(binary) == {}
    record.write_text(json.dumps({"sha256": pex_file.digest(binary), "version": "1"}), "utf-8")
    assert build_record.of_file(binary)["version"] == "1"
    binary.unlink()
    assert build_record.of_file(binary) == {}
