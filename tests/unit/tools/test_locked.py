"""The requirement files that nox-pex ships for its tools."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nox_pex.tools import locked, pinned
from nox_pex.tools.locked import Locked

AGAIN = "run `nox -s lock-tools`"


@pytest.mark.parametrize("each", pinned.LOCKED, ids=lambda each: each.name)
def test_each_file_pins_what_the_code_pins_and_every_line_has_hashes(each: Locked) -> None:
    text = each.file.read_text("utf-8")
    lines = [line for line in text.replace("\\\n", "").splitlines() if not line.startswith("#")]
    pins = {line.split()[0] for line in lines}
    assert pins >= set(each.requirements), AGAIN
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==\S+( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+ *", line), line


@pytest.mark.parametrize("each", pinned.LOCKED, ids=lambda each: each.name)
def test_no_file_names_an_index_or_a_place(each: Locked) -> None:
    text = each.file.read_text("utf-8")
    assert not re.search(r"://|^-|index|find-links|trusted-host| /", text, re.MULTILINE)


def test_every_file_is_used_and_has_a_name_of_its_own() -> None:
    directory = Path(locked.__file__).with_name("requirements")
    assert sorted(path.name for path in directory.iterdir()) == sorted(each.file.name for each in pinned.LOCKED)


def test_the_hashes_of_poetry_include_those_of_its_core() -> None:
    poetry = next(each for each in pinned.LOCKED if each.name == "poetry").file.read_text("utf-8")
    newest = next(each for each in pinned.LOCKED if each.name.startswith("poetry-core")).file.read_text("utf-8")
    assert set(re.findall("sha256:[0-9a-f]{64}", newest)) <= set(re.findall("sha256:[0-9a-f]{64}", poetry))
