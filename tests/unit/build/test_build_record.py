from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from nox_pex.build import build_record
from nox_pex.distributions import pex_file
from nox_pex.system.fingerprint import Inputs, digests

INPUTS: Inputs = {"sources": {"main.py": "1"}, "settings": {"layout": "1"}}
OTHER: Inputs = {"sources": {"main.py": "2"}, "settings": {"layout": "1"}}


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    made = tmp_path / "service.pex"
    made.write_bytes(b"binary")
    return made


def reasons(binary: Path, known: Mapping[str, object], *, remembered: Inputs = INPUTS) -> tuple[str, ...]:
    change = build_record.change(binary, known, remembered=remembered, inputs=INPUTS)
    return change.words if change is not None else ()


def test_it_stands_only_where_all_is_as_it_was(binary: Path) -> None:
    whole = {"sha256": pex_file.digest(binary), "inputs": digests(INPUTS)}
    assert reasons(binary, whole) == ()
    assert reasons(binary, whole, remembered={}) == ()  # the record alone decides
    assert reasons(binary.with_name("other.pex"), whole) == ("not there yet",)
    assert reasons(binary, {}) == ("no build record beside it",)
    assert reasons(binary, {"inputs": digests(INPUTS)}) == ("the file is not the one that was built",)
    binary.write_bytes(b"binarx")
    assert reasons(binary, whole) == ("the file is not the one that was built",)


def test_what_changed_is_named_as_far_as_it_is_still_known(binary: Path) -> None:
    old = {"sha256": pex_file.digest(binary), "inputs": digests(OTHER)}
    assert reasons(binary, old, remembered=OTHER) == ("main.py changed",)
    assert reasons(binary, old, remembered={}) == ("sources changed",)
    assert reasons(binary, old, remembered=INPUTS) == ("sources changed",)
    assert reasons(binary, {"sha256": pex_file.digest(binary)}) == ("settings changed", "sources changed")


def test_the_kinds_that_differ_are_named_where_the_binary_is_known(binary: Path) -> None:
    known = {"sha256": pex_file.digest(binary), "inputs": digests(OTHER)}
    change = build_record.change(binary, known, remembered={}, inputs=INPUTS)
    assert change is not None
    assert change.kinds == {"sources"}
    binary.write_bytes(b"another")
    change = build_record.change(binary, known, remembered={}, inputs=INPUTS)
    assert change is not None
    assert change.kinds == frozenset()
