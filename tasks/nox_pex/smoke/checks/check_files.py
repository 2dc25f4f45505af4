"""The files that checks refer to: JSON Schemas and certificate authorities, looked for in the project's directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import jsonschema
else:
    jsonschema = lazy("jsonschema")  # 130 ms, and only needed for `json-schema`


import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import HttpCheck, Smoke, TcpCheck
from nox_pex.smoke.checks.http_client import trust


@dataclass(frozen=True, kw_only=True)
class CheckFiles:
    """What was in those files, by the name that the settings give them. `trusts` is empty for plain `http`."""

    schemas: Mapping[str, Any]
    trusts: Mapping[str | None, ssl.SSLContext]

    @classmethod
    def of(cls, smoke: Smoke, project: Path) -> CheckFiles:
        """Reads them all. Raises `NoxPexError`: `source-missing`, or `config` for what is in them."""
        schemas = {check.json_schema for check in smoke.http if check.json_schema is not None}
        authorities = {check.ca_file for check in smoke.http} | {None} if smoke.url.startswith("https:") else set()
        return cls(
            schemas={name: _schema(_existing(project / name, "json-schema")) for name in schemas},
            trusts={
                name: _trust(None if name is None else _existing(project / name, "ca-file")) for name in authorities
            },
        )

    def schema(self, check: HttpCheck) -> Any:
        """The parsed schema of a check, None when it has none."""
        return None if check.json_schema is None else self.schemas[check.json_schema]

    def tls(self, check: HttpCheck | TcpCheck) -> ssl.SSLContext | None:
        """How the server is checked for it, None when it is not."""
        return self.trusts.get(check.ca_file) if isinstance(check, HttpCheck) else None


def _schema(file: Path) -> Any:
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
        jsonschema.validators.validator_for(schema).check_schema(schema)
    except (ValueError, jsonschema.exceptions.SchemaError) as error:
        reason = str(error).partition("\n")[0]
        problem = f"`json-schema` {file.name} is no JSON Schema: {reason}"
        raise NoxPexError("config", problem, "correct that file") from None
    return schema


def _trust(file: Path | None) -> ssl.SSLContext:
    try:
        return trust(file)
    except ssl.SSLError as error:
        problem = f"`ca-file` {file and file.name} holds no certificate: {error.reason or error}"
        raise NoxPexError("config", problem, "name a PEM file") from None


def _existing(file: Path, key: str) -> Path:
    if not file.is_file():
        problem = f"`{key}` names {file.name}, and there is no such file in {file.parent}"
        raise NoxPexError("source-missing", problem, "correct the path; it is taken from the project's directory")
    return file
