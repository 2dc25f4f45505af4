"""Values and keys as TOML writes them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, Final

from nox_pex.system import outside_text
from nox_pex.system.lazy import pattern

_BARE_KEY: Final = pattern(r"[A-Za-z0-9_-]+")


def toml(value: Any) -> str:
    """Return a value as TOML writes it in one line; what is not printable is escaped."""
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{toml_key(key)} = {toml(part)}" for key, part in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, float | dt.date | dt.time):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return hex(value) if abs(value) >= 2**64 else str(value)  # Python refuses to write very long integers
    return outside_text.toml_string(value) if isinstance(value, str) else json.dumps(value)


def toml_key(key: str) -> str:
    """Return a key as TOML writes it, in quotes if necessary."""
    return key if _BARE_KEY.fullmatch(key) else toml(key)
