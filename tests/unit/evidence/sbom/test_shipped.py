from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.evidence.sbom import shipped
from nox_pex.evidence.sbom.shipped import ShippedDistribution
from tests.support.small_pex import LIBRARY, SmallPex
from tests.support.small_scie import PYTHON, write_scie

METADATA = "Metadata-Version: 2.1\nName: idna\nVersion: 3.11\n"
OLD = {"idna-3.10.dist-info/METADATA": b"Name: IDNA\nVersion: 3.10\n", "idna/old.py": b""}
LOOSE = {"shelf-1.dist-info/METADATA": b"Name: shelf\nVersion: 1\nSummary: loose\n", "main.py": b""}


@pytest.fixture
def pex(tmp_path: Path) -> Path:
    """A PEX with a distribution in two versions, and one among the loose files."""
    small = SmallPex(
        sources={**LOOSE, ".bootstrap/pex/vendor/_vendored/attrs/attr/__init__.py": b""},
        wheels={"idna-3.10-py3-none-any.whl": OLD},
        values={"interpreter_constraints": ["CPython==3.11.*"]},
    )
    return small.write(tmp_path / "app.pex")


def test_what_is_in_a_file(pex: Path) -> None:
    found = shipped.read(pex)
    assert found.sha256 == hashlib.sha256(pex.read_bytes()).hexdigest()
    assert (found.size, found.is_directory, found.pex_version) == (pex.stat().st_size, False, "2.105.2")
    assert (found.constraints, found.vendored, found.python) == (("CPython==3.11.*",), ("attrs",), None)
    assert [(each.name, each.version, each.wheel) for each in found.distributions] == [
        ("idna", "3.10", "idna-3.10-py3-none-any.whl"),
        ("idna", "3.11", LIBRARY),
        ("shelf", "1", ""),
    ]
    assert found.distributions[1] == ShippedDistribution(
        name=found.distributions[1].name, version="3.11", wheel=LIBRARY, metadata=METADATA
    )
    assert "Summary: loose" in found.distributions[2].metadata


@pytest.mark.parametrize("lazy", [True, False])
def test_a_scie_has_its_pex_and_its_python(pex: Path, tmp_path: Path, *, lazy: bool) -> None:
    scie = write_scie(tmp_path / "app-linux-x86_64", pex.read_bytes(), lazy=lazy)
    found = shipped.read(scie)
    assert found.sha256 == hashlib.sha256(scie.read_bytes()).hexdigest()
    assert found.size == scie.stat().st_size
    assert found.distributions == shipped.read(pex).distributions
    assert found.python is not None
    assert (found.python.file, found.python.included) == (PYTHON, not lazy)
    assert found.python.sha256 == hashlib.sha256(b"a portable Python").hexdigest()


@pytest.mark.parametrize(("content", "code"), [(None, "usage"), (b"", "integrity"), (b"#!/bin/sh\n" * 99, "integrity")])
def test_a_file_that_is_no_pex_is_refused(tmp_path: Path, content: bytes | None, code: str) -> None:
    if content is not None:
        (tmp_path / "app.pex").write_bytes(content)
    with pytest.raises(NoxPexError) as caught:
        shipped.read(tmp_path / "app.pex")
    assert caught.value.code == code


def test_the_pex_in_a_scie_must_be_the_one_in_its_manifest(pex: Path, tmp_path: Path) -> None:
    scie = write_scie(tmp_path / "app-linux-x86_64", pex.read_bytes(), changes={"hash": "0" * 64})
    assert shipped.read(scie).distributions  # the manifest's digests are `verify`'s business: the content counts
