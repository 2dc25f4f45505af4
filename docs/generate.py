"""Write what the documentation repeats of the code: the tables of settings, the meanings of errors, the JSON Schemas.

Run it after a change of a setting or of an error: `python docs/generate.py`. A test says if something is not current.
With `--schemastore DIRECTORY`, it writes the files of a pull request to SchemaStore into that checkout instead.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tasks"), str(ROOT / "docs")]

from nox_pex.settings.schema import FILE  # noqa: E402  # the line above makes it importable
from reference import pages, pyproject_schema, schema, schemastore  # noqa: E402  # the line above makes it importable


def files() -> dict[Path, str]:
    """Return each file that is made from the code, or has parts that are, with its content."""
    return {
        **{page: pages.renewed(page.read_text("utf-8")) for page in sorted((ROOT / "docs").rglob("*.md"))},
        FILE: schema.text(schema.settings()),
        ROOT / "docs" / "schemas" / "pyproject.schema.json": schema.text(pyproject_schema.pyproject()),
    }


def stale() -> dict[Path, str]:
    """Return those of the `files` that are not current, with their right content."""
    return {file: text for file, text in files().items() if not file.is_file() or file.read_text("utf-8") != text}


def write(contents: Mapping[Path, str]) -> None:
    """Write files, and print their names."""
    for file, text in contents.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        print(file)  # noqa: T201  # the developer reads it


def main(argv: Sequence[str]) -> None:
    """Write the files that are not current, or those for the checkout of SchemaStore that an argument names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--schemastore", type=Path, metavar="DIRECTORY", help="a checkout of SchemaStore")
    checkout: Path | None = parser.parse_args(argv).schemastore
    write(stale() if checkout is None else {checkout / name: text for name, text in schemastore.files().items()})


if __name__ == "__main__":
    main(sys.argv[1:])
