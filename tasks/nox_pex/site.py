"""The addresses of the documentation, of the repository, and of pages of the former.

The settings' schema and the statements use addresses of pages as identifiers, so this is the only place that has them.
"""

from typing import Final

DOCS: Final = "https://nox-pex.readthedocs.io/en/latest/"
"""The documentation, with a final slash. `pyproject.toml` has the same address under `[project.urls]`."""


REPOSITORY: Final = "https://github.com/nox-pex/nox-pex"
"""The sources. `pyproject.toml` has the same address under `[project.urls]`."""


def page(name: str, *, anchor: str = "") -> str:
    """Return the address of the page that is made from `docs/NAME.md`: `….io/en/latest/errors.html#lock-stale`."""
    return f"{DOCS}{name}.html{f'#{anchor}' if anchor else ''}"
