"""The JSON Schema of `[tool.nox-pex]`, for validate-pyproject.

`docs/generate.py` makes the file from the types of the settings, and from the descriptions of the keys in their source.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("settings.schema.json")
"""The schema (draft 7), as the documentation publishes it."""


def tool_schema(tool_name: str) -> dict[str, Any]:  # noqa: ARG001  # validate-pyproject passes it
    """Return the schema of `[tool.nox-pex]`, which refers to no other.

    validate-pyproject finds it by the entry point group `validate_pyproject.tool_schema`. `tool_name` is `"nox-pex"`.
    """
    schema: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return schema
