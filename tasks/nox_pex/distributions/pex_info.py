"""PEX-INFO: the JSON object by which a PEX describes itself, parsed strictly.

Fact source: pex 2.105 (`pex.pex_info`, `PEXBuilder._prepare_code`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from nox_pex.system import strict_json


class BuildProperties(Struct, frozen=True, kw_only=True):
    """The tool that built the PEX."""

    pex_version: str = ""


class PexInfo(Struct, frozen=True, kw_only=True):
    """The parsed content of PEX-INFO.

    `values` is the complete object. `distributions` maps the name of each wheel to its digest.
    """

    build_properties: BuildProperties = BuildProperties()
    code_hash: str = ""
    deps_are_wheel_files: bool = False
    distributions: dict[str, str] = {}
    inject_env: dict[str, str] = {}
    overridden: tuple[str, ...] = ()
    pex_hash: str = ""
    requirements: tuple[str, ...] = ()
    values: dict[str, Any] = {}


def parse(text: bytes) -> PexInfo:
    """Return the values in a PEX-INFO. Raises `ValueError` if two readers could understand it differently."""
    try:
        values = msgspec.convert(strict_json.parse(text), dict[str, Any])
        return msgspec.convert({**values, "values": values}, PexInfo)
    except msgspec.ValidationError as error:
        msg = f"it is no PEX-INFO: {error}"
        raise ValueError(msg) from error
    except ValueError as error:
        msg = f"it is no valid JSON: {error}"
        raise ValueError(msg) from error


def text_of(values: Mapping[str, Any]) -> bytes:
    """Return the text of a PEX-INFO with `values`, as pex writes it."""
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def pex_hash(values: Mapping[str, Any]) -> str:
    """Return pex's hash of a PEX whose PEX-INFO has `values` (`PEXBuilder._prepare_code`)."""
    hashed = text_of({key: value for key, value in values.items() if key != "pex_hash"})
    return hashlib.sha1(hashed).hexdigest()  # noqa: S324  # pex's choice, as the name of a cache
