"""A package index, as files that a web server serves."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.support.digests import digest


def write_simple_index(root: Path, *distributions: Path) -> Path:
    """Write the pages and files of a simple index (PEP 503, HTML with hashes) below `root`. Return `root`."""
    for distribution in distributions:
        name = re.sub(r"[-_.]+", "-", distribution.name.split("-")[0]).lower()
        page = root / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(distribution, page.parent / distribution.name)
        with page.open("a", encoding="utf-8") as file:
            file.write(f'<a href="{distribution.name}#sha256={digest(distribution)}">{distribution.name}</a><br>\n')
    return root
