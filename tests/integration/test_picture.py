"""The picture of the terminal in the README is what a run shows today."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.support.commands import clean_environ

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


def test_the_picture_of_the_terminal_is_current(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("picture", ROOT / "docs" / "picture.py")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(picture := importlib.util.module_from_spec(spec))

    now = picture.as_svg(picture.run(tmp_path, environ=clean_environ()))

    assert picture.words(picture.PICTURE.read_text("utf-8")) == picture.words(now), "run `python docs/picture.py`"
