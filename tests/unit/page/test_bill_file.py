"""The bill of materials about a file, and the licences in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nox_pex.evidence.sbom.bill import Licences
from nox_pex.evidence.sbom.policy import Policy
from nox_pex.evidence.sbom.write import Declared
from nox_pex.page import bill_file
from nox_pex.page.bill_file import BillFile
from tests.support.statements import SHA256


def write(path: Path, *licences: Any, sha256: str = SHA256) -> Path:
    value = {
        "bomFormat": "CycloneDX",
        "metadata": {"component": {"hashes": [{"alg": "SHA-256", "content": sha256}]}},
        "components": [{"bom-ref": "idna", "name": "idna", "version": "3.11", "licenses": licences}],
    }
    path.write_text(json.dumps(value), "utf-8")
    return path


@pytest.mark.parametrize(
    ("licences", "expected"),
    [
        ([{"expression": "MIT OR BSD-3-Clause"}], Declared(expressions=("MIT OR BSD-3-Clause",))),
        ([{"license": {"id": "MIT"}}, {"license": {"name": "Beer"}}], Declared(expressions=("MIT",), names=("Beer",))),
        ([{"license": {"name": "MIT OR Zlib"}}], Declared(expressions=("MIT OR Zlib",))),
        ([{"expression": "(" * 1000}], Declared(names=("(" * 1000,))),
        ([{}], Declared()),
        ([], Declared()),
    ],
)
def test_licences_are_expressions_or_names(tmp_path: Path, licences: list[Any], expected: Declared) -> None:
    found = bill_file.read(write(tmp_path / "bill.json", *licences), sha256=SHA256)
    assert (found.standing, found.licences) == ("current", {"idna": expected})


def test_a_bill_about_another_file_is_not_used(tmp_path: Path) -> None:
    found = bill_file.read(write(tmp_path / "bill.json", sha256="0b" * 32), sha256=SHA256)
    assert (found.standing, found.licences) == ("other-file", {})


def test_a_bill_of_a_directory_names_the_digest_of_the_tree(tmp_path: Path) -> None:
    path = tmp_path / "bill.json"
    properties = [{"name": "nox-pex:tree-sha256", "value": SHA256}]
    path.write_text(json.dumps({"bomFormat": "CycloneDX", "metadata": {"component": {"properties": properties}}}))
    assert bill_file.read(path, sha256=SHA256).standing == "current"


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"bomFormat": 1}', "[" * 100_000])
def test_a_damaged_bill_is_unreadable(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bill.json"
    path.write_text(content, "utf-8")
    assert bill_file.read(path, sha256=SHA256).standing == "unreadable"
    assert bill_file.read(tmp_path / "no", sha256=SHA256).standing == "not-run"
    assert bill_file.read(tmp_path, sha256=SHA256).standing == "unreadable"


def test_metadata_without_an_expression_gives_the_names_that_it_has() -> None:
    assert bill_file.from_metadata(Licences(expression="MIT", classifiers=("x",))) == Declared(expressions=("MIT",))
    assert bill_file.from_metadata(Licences(text="BSD", classifiers=("MIT License",))) == Declared(
        names=("MIT License",)
    )
    assert bill_file.from_metadata(Licences(text="MIT\nmore")) == Declared(names=("MIT",))
    assert bill_file.from_metadata(Licences(text="y" * 200)) == Declared(names=("y" * 100 + "…",))
    assert bill_file.from_metadata(Licences()) == Declared()


def test_only_a_policy_refuses(tmp_path: Path) -> None:
    found = bill_file.read(write(tmp_path / "bill.json", {"license": {"id": "MIT"}}), sha256=SHA256)
    assert bill_file.refused(found, Policy(), project="shop") == ()
    assert bill_file.refused(found, Policy(deny=("MIT",)), project="shop") == ("idna 3.11 (MIT)",)
    assert bill_file.refused(found, Policy(deny=("MIT",)), project="idna") == ()
    assert bill_file.refused(found, Policy(allow=("Zlib",)), project="shop") == ("idna 3.11 (MIT)",)
    assert bill_file.refused(BillFile(standing="not-run"), Policy(allow=("Zlib",)), project="shop") == ()
