from __future__ import annotations

from pathlib import Path

import pytest

import generate
from nox_pex.errors import CODES


def test_what_the_documentation_repeats_of_the_code_is_current() -> None:
    stale = [str(file.relative_to(generate.ROOT)) for file in generate.stale()]

    assert stale == [], "run `python docs/generate.py` and commit what it writes"


def test_the_files_for_schemastore_are_written_into_its_checkout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generate.main(["--schemastore", str(tmp_path)])

    written = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert tmp_path / "src" / "schemas" / "json" / "partial-nox-pex.json" in written
    assert sorted(capsys.readouterr().out.splitlines()) == [str(path) for path in written]


def test_a_changed_page_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "docs" / "errors.md"
    page.parent.mkdir()
    page.write_text("<!-- error: no-lock -->\nold\n<!-- end -->\n", "utf-8")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "FILE", tmp_path / "settings.schema.json")

    generate.main([])

    assert CODES["no-lock"] in page.read_text("utf-8")
    assert not generate.stale()
