"""Ask the package indexes for the addresses of locked files. Runs on the Python of Poetry, in the project's directory.

`python file_urls_script.py NAMES ANSWER` reads the JSON file NAMES, a list of normalized names of packages, and writes
the JSON file ANSWER: a list of objects with `name` and `version` (of the package), `source` (the name of its source in
the lock, or null), `index` (the address of the index) and `files` (file name to address). There is one object for each
locked version. All of Poetry works as usual: sources, credentials, its HTTP cache and plugins. This file imports
nothing of nox-pex.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from poetry.factory import Factory

try:
    from poetry.repositories.exceptions import PackageNotFoundError
except ImportError:  # older versions of Poetry
    from poetry.repositories.exceptions import PackageNotFound as PackageNotFoundError

PARALLEL_REQUESTS = 8


def answer(poetry: Any, package: Any) -> dict[str, Any]:
    """Ask the index of `package` for the addresses of its files."""
    if package.source_type:
        repository = poetry.pool.repository(package.source_reference)
    elif poetry.pool.has_repository("pypi"):
        repository = poetry.pool.repository("pypi")
    else:
        repository = poetry.pool.repositories[0]
    try:
        links = repository.find_links_for_package(package)
    except PackageNotFoundError:
        links = []
    return {
        "name": package.name,
        "version": str(package.version),
        "source": package.source_reference,
        "index": repository.url,
        "files": {link.filename: link.url_without_fragment for link in links},
    }


def main() -> None:
    """Write the answers."""
    names = set(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    poetry = Factory().create_poetry(Path.cwd())
    locked = poetry.locker.locked_repository().packages
    wanted = [p for p in locked if p.name in names and p.source_type in (None, "legacy")]
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as threads:
        answers = list(threads.map(lambda package: answer(poetry, package), wanted))
    Path(sys.argv[2]).write_text(json.dumps(answers), "utf-8")


if __name__ == "__main__":
    main()
