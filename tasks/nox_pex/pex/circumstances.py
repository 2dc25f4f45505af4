"""The settings and tool versions under which a result was obtained, as digests that the result carries.

A result is only a proof if they are those of today. They are no inputs of the binary: a smoke setting never rebuilds
it. Secrets in the settings are masked before the digest is made, because a digest of a short secret reveals it.
"""

# Without `from __future__ import annotations`: msgspec would compile the text of each annotation in every run.

import datetime as dt
import hashlib
import json
import math
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from nox_pex.pex.build_record import Sha256, timestamp
from nox_pex.pex.target import Target
from nox_pex.settings.smoke import Smoke
from nox_pex.system import files, recipe
from nox_pex.system.secrets import MASK, Secrets, is_secret_name
from nox_pex.tools import pinned


class Circumstances(Struct, frozen=True, kw_only=True):
    """The SHA-256 of the settings that matter to a result, and the versions of nox-pex, Poetry and pex by their names.

    `settings_text` is the text with that SHA-256: canonical JSON without secrets.
    """

    settings: Sha256
    tools: Mapping[str, str]
    settings_text: str = ""

    def as_json(self, *, finished: dt.datetime) -> dict[str, Any]:
        """Return the keys of a result that was obtained under these circumstances and was `finished` at this time."""
        return {
            "settings": self.settings,
            "tools": dict(self.tools),
            "finished": timestamp(finished),
        }


_ENTRY: Final = ("script", "entry-point", "executable", "inject-args", "inject-env", "inject-python-args", "scie")
"""Keys of a binary's table that decide what a smoke test starts."""


def of_smoke(target: Target) -> Circumstances:
    """Return the circumstances of a smoke test of `target`: its smoke table, its budget and its entry.

    The JSON Schemas and the CA files that the smoke table names count by their content.
    """
    table = _builtins(target.table)
    return _circumstances(
        target,
        {
            "smoke": _builtins(target.table.smoke or Smoke()),
            "budget": table["budget"],
            "entry": {key: table[key] for key in _ENTRY},
            "files": _named_files(target),
        },
    )


def of_verify(target: Target) -> Circumstances:
    """Return the circumstances of `verify` of `target`: its table and the project's settings, and the lock.

    The smoke and image tables do not matter to it.
    """
    settings = _builtins(target.settings)
    table = {key: value for key, value in settings["binary"][target.name].items() if key not in ("smoke", "image")}
    project = {key: settings[key] for key in ("groups", "extras", "secrets")}
    return _circumstances(
        target, {"binary": table, "project": project, "lock": _digest(target, target.project.lock.name)}
    )


def of_image(target: Target) -> Circumstances:
    """Return the circumstances of the check of an image of `target`: its smoke table, its image table and its entry.

    The names of the image do not matter. The files that the tables name count by their content.
    """
    table = _builtins(target.table)
    image = {key: value for key, value in (table["image"] or {}).items() if key != "tag"}
    return _circumstances(
        target,
        {
            "smoke": _builtins(target.table.smoke or Smoke()),
            "image": image,
            "entry": {key: table[key] for key in _ENTRY if key != "scie"},
            "files": _named_files(target, image.get("containerfile")),
        },
    )


def _named_files(target: Target, *others: str | None) -> dict[str, str]:
    """Return the digest of each JSON Schema and CA file that the smoke table names, and of `others`, by their names."""
    smoke = target.table.smoke or Smoke()
    named = {name for check in smoke.http for name in (check.json_schema, check.ca_file)}
    return {name: _digest(target, name) for name in sorted(each for each in {*named, *others} if each is not None)}


def _circumstances(target: Target, settings: Mapping[str, Any]) -> Circumstances:
    public = _public(settings, secret=frozenset(target.settings.secrets))
    text = json.dumps(public, sort_keys=True, separators=(",", ":"))
    tools = {
        "nox-pex": recipe.digest(),
        "poetry": target.settings.poetry_version or pinned.POETRY,
        "pex": target.pex_version,
    }
    return Circumstances(settings=hashlib.sha256(text.encode()).hexdigest(), tools=tools, settings_text=text)


def _builtins(table: Struct) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(table, enc_hook=str)
    return found


def _digest(target: Target, name: str) -> str:
    """Return the SHA-256 of a file of the project; empty if it cannot be read."""
    try:
        return files.digest(target.project.root / name)
    except OSError:
        return ""


_NAMED: Final = frozenset({"env", "inject-env", "request-headers", "headers", "request-json", "labels"})
"""Keys whose tables have names of variables, of headers or of fields, which may be those of secrets."""


_PATTERNS_ONLY: Final = Secrets()
"""Masks what the text around it says to be secret: a password in a URL, credentials, a private key."""


def _public(value: Any, *, secret: Collection[str], named: bool = False) -> Any:
    """Return `value` as JSON has it, without secrets.

    In a `named` table, values with a secret's name are masked; `secret` are more names of secrets.
    """
    if isinstance(value, str):
        return _PATTERNS_ONLY.mask(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # TOML has such numbers, JSON has not
    if isinstance(value, Mapping):
        return {
            _PATTERNS_ONLY.mask(str(key)): MASK
            if named and (is_secret_name(str(key)) or key in secret)
            else _public(inner, secret=secret, named=named or key in _NAMED)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_public(inner, secret=secret, named=named) for inner in value]
    return value
