"""Write what the documentation repeats of the code: the tables of settings, the meanings of errors, the JSON Schemas.

Run it after a change of a setting or of an error: `python docs/generate.py`. A test says if something is not current.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tasks"), str(ROOT / "docs")]

from nox_pex.settings.schema import FILE  # noqa: E402  # the line above makes it importable
from reference import pages, schema  # noqa: E402  # the line above makes it importable


def files() -> dict[Path, str]:
    """Return each file that is made from the code, or has parts that are, with its content."""
    return {
        **{page: pages.renewed(page.read_text("utf-8")) for page in sorted((ROOT / "docs").rglob("*.md"))},
        FILE: schema.text(schema.settings()),
        ROOT / "docs" / "schemas" / "pyproject.schema.json": schema.text(schema.pyproject()),
    }


def stale() -> dict[Path, str]:
    """Return those of the `files` that are not current, with their right content."""
    return {file: text for file, text in files().items() if not file.is_file() or file.read_text("utf-8") != text}


def main() -> None:
    """Write the files that are not current, and print their names."""
    for file, text in stale().items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
        print(file.relative_to(ROOT))  # noqa: T201  # the developer reads it


if __name__ == "__main__":
    main()
