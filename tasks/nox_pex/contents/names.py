"""The groups of files in a PEX by their names there, and its PEX-INFO as facts. Pure.

Fact source: pex 2.105 (`pex.layout`, `pex.pex_builder`, `pex.pex_info`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from nox_pex.distributions.pex_info import PexInfo
from nox_pex.verify.archive import BOOTSTRAP, INFO

_RUNTIME: Final = re.compile(rf"{re.escape(BOOTSTRAP)}(?:/.*)?|__pex__/.*|__main__\.pyc?|{INFO}|pex", re.DOTALL)
"""Matches what pex adds. `pex` is the link to the launcher in a directory layout."""


_DERIVED: Final = frozenset(
    (
        *("bootstrap_hash", "code_hash", "pex_hash", "distributions", "requirements", "build_properties"),
        *("entry_point", "script", "interpreter_constraints"),
    )
)
"""The keys of PEX-INFO that follow from the files, or that a field of their own shows."""


class InfoFacts(Struct, frozen=True, kw_only=True):
    """The facts in a PEX-INFO, as `BinaryContents` has them."""

    pex_version: str
    entry_point: str
    constraints: tuple[str, ...]
    settings: Mapping[str, Any]


def facts(info: PexInfo) -> InfoFacts:
    """Return the facts in a PEX-INFO. Values of another type than pex writes become text."""
    values = info.values
    constraints = values.get("interpreter_constraints")
    return InfoFacts(
        pex_version=info.build_properties.pex_version,
        entry_point=_text(values.get("entry_point") or values.get("script") or ""),
        constraints=tuple(map(_text, constraints)) if isinstance(constraints, list) else (),
        settings={key: value for key, value in values.items() if key not in _DERIVED},
    )


def is_runtime(name: str) -> bool:
    """Whether a file outside of `.deps`, by its path in the PEX, is one that pex adds."""
    return _RUNTIME.fullmatch(name) is not None


def name_and_version(wheel: str) -> tuple[str, str]:
    """Return the normalized name and the version of a distribution, from its entry in `.deps`.

    The version is empty if the entry is not the name of a wheel.
    """
    try:
        name, version, _, _ = parse_wheel_filename(wheel)
    except InvalidWheelFilename:  # older build backends leave hyphens in the name, before a version with a digit
        name_part, _, rest = re.sub(r"-(?=\d)", "\0", wheel, count=1).partition("\0")
        return canonicalize_name(name_part), rest.partition("-")[0]
    return name, str(version)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
