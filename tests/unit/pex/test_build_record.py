from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from nox_pex.distributions import pex_file
from nox_pex.pex import build_record
from nox_pex.system.fingerprint import Inputs, digests

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
