from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.distributions.pex_file import PexError
from nox_pex.errors import NoxPexError
from nox_pex.image import split_pex


def test_an_edit_changes_one_part(pex: Callable[..., Path]) -> None:
    binary = pex()
    parts = split_pex.split_paths(binary)
    split_pex.split(binary, project="Own", into=parts)
    before = parts.dependencies.read_bytes(), parts.own.read_bytes()
    split_pex.split(pex("two"), project="Own", into=parts)

    assert parts.dependencies.read_bytes() == before[0]
    assert parts.own.read_bytes() != before[1]
    with zipfile.ZipFile(parts.dependencies) as dependencies, zipfile.ZipFile(parts.own) as own:
        assert not [name for name in dependencies.namelist() if "own" in name or "loose" in name]
        assert not [name for name in own.namelist() if "dep-2" in name]
        assert json.loads(dependencies.read("PEX-INFO"))["requirements"] == ["dep==2"]
        assert own.read("loose.py") == b"two"


def test_a_part_that_was_changed_is_written_again(pex: Callable[..., Path]) -> None:
    binary = pex()
    parts = split_pex.split_paths(binary)
    split_pex.split(binary, project="Own", into=parts)
    before = parts.dependencies.read_bytes(), parts.own.read_bytes()
    for part in (parts.dependencies, parts.own):
        with zipfile.ZipFile(part, "a") as archive:
            archive.writestr("evil.py", "")  # its PEX-INFO is the same
    split_pex.split(binary, project="Own", into=parts)

    assert (parts.dependencies.read_bytes(), parts.own.read_bytes()) == before
    assert sorted(path.name for path in binary.parent.iterdir()) == [
        "service.deps.pex",
        "service.own.pex",
        "service.pex",
    ]


def test_a_damaged_binary_leaves_nothing(pex: Callable[..., Path]) -> None:
    binary = pex()
    content = binary.read_bytes()
    for length in (0, len(content) // 2):
        binary.write_bytes(content[:length])
        with pytest.raises(PexError):
            split_pex.split(binary, project="Own", into=split_pex.split_paths(binary))
    assert not list(binary.parent.glob(".*"))


def test_a_directory_in_the_place_of_a_part_is_an_error(pex: Callable[..., Path]) -> None:
    binary = pex()
    parts = split_pex.split_paths(binary)
    parts.own.mkdir()
    os.mkfifo(binary.parent / ".service.deps.pex.new")
    with pytest.raises(NoxPexError, match="move the directory away"):
        split_pex.split(binary, project="Own", into=parts)


def test_the_part_with_the_code_ignores_what_its_wheels_require(pex: Callable[..., Path]) -> None:
    binary = pex()
    parts = split_pex.split_paths(binary)
    split_pex.split(binary, project="Own", into=parts)
    with zipfile.ZipFile(parts.own) as own, zipfile.ZipFile(parts.dependencies) as dependencies:
        own_info, info = json.loads(own.read("PEX-INFO")), json.loads(dependencies.read("PEX-INFO"))

    assert own_info["ignore_errors"] is info["ignore_errors"] is True
    assert own_info["entry_point"] == "own:main"
    assert "entry_point" not in info
    assert own_info["pex_hash"] != info["pex_hash"]
    assert parts.own.stat().st_mode & 0o777 == 0o755
