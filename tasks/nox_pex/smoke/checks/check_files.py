"""The files that checks name: JSON Schemas and certificate authorities, relative to the project's directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import jsonschema
else:
    jsonschema = lazy("jsonschema")  # takes 130 ms to load, and is only needed for `json-schema`


import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.settings.checks import HttpCheck, TcpCheck
from nox_pex.settings.smoke import Smoke
from nox_pex.smoke.checks.http_client import tls_context
from nox_pex.system import files


class CheckFiles(Struct, frozen=True, kw_only=True):
    """The contents of the files, by the path in the settings.

    `schemas` are the parsed JSON Schemas. `tls_contexts` are the TLS settings for each `ca-file`, and for None those
    with the authorities of the system. They are empty if `url` is plain `http`.
    """

    schemas: Mapping[str, Any]
    tls_contexts: Mapping[str | None, ssl.SSLContext]

    @classmethod
    def load(cls, smoke: Smoke, project: Path) -> CheckFiles:
        """Read all files.

        Raises `NoxPexError`: `source-missing` if one does not exist, `config` if its content is invalid.
        """
        schemas = {check.json_schema for check in smoke.http if check.json_schema is not None}
        authorities = {check.ca_file for check in smoke.http} | {None} if smoke.url.startswith("https:") else set()
        return cls(
            schemas={name: _load_schema(_existing_file(project / name, "json-schema")) for name in schemas},
            tls_contexts={
                name: _load_authorities(None if name is None else _existing_file(project / name, "ca-file"))
                for name in authorities
            },
        )

    def schema(self, check: HttpCheck) -> Any:
        """Return the parsed JSON Schema of a check, None if the check has none."""
        return None if check.json_schema is None else self.schemas[check.json_schema]

    def tls(self, check: HttpCheck | TcpCheck) -> ssl.SSLContext | None:
        """Return the TLS settings for a check, None if its connection is not encrypted."""
        return self.tls_contexts.get(check.ca_file) if isinstance(check, HttpCheck) else None


def _load_schema(file: Path) -> Any:
    try:
        schema = json.loads(files.read_text(file))
        jsonschema.validators.validator_for(schema).check_schema(schema)
    except (OSError, ValueError, RecursionError, jsonschema.exceptions.SchemaError) as error:
        reason = str(error).partition("\n")[0]
        problem = f"`json-schema` {file.name} is not a JSON Schema: {reason}"
        raise NoxPexError("config", problem, "correct that file") from None
    return schema


def _load_authorities(file: Path | None) -> ssl.SSLContext:
    try:
        return tls_context(file)
    except ssl.SSLError as error:
        problem = f"`ca-file` {file and file.name} contains no certificate: {error.reason or error}"
        raise NoxPexError("config", problem, "name a PEM file") from None


def _existing_file(file: Path, key: str) -> Path:
    if not file.is_file():
        problem = f"`{key}` names {file.name}, which does not exist in {file.parent}"
        raise NoxPexError("source-missing", problem, "correct the path, which is relative to the project's directory")
    return file
