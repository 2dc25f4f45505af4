"""The files of a small package that Poetry builds."""

from __future__ import annotations

from typing import Final

BUILD_SYSTEM: Final = (
    '[build-system]\nrequires = ["poetry-core>=2.0,<3.0"]\nbuild-backend = "poetry.core.masonry.api"\n'
)


def package_files(name: str, text: str, *, below: str = "", dependencies: str = "") -> dict[str, str]:
    """The files of a package with one module, whose `TEXT` is `text`: their paths, which begin with `below`."""
    return {
        f"{below}pyproject.toml": (
            f'[project]\nname = "{name}"\nversion = "1.0"\nrequires-python = ">=3.10"\n{dependencies}{BUILD_SYSTEM}'
        ),
        f"{below}{name}.py": f"TEXT = {text!r}\n",
    }
