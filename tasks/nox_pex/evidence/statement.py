"""An in-toto statement: a predicate about files, which are known by their digests. Pure.

Fact sources: in-toto attestation framework, "Statement layer" v1, "ResourceDescriptor" and "Timestamp" (field types).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from nox_pex.evidence.kinds import PREDICATE_TYPES, STATEMENT_TYPE, Kind
from nox_pex.pex.build_record import Sha256
from nox_pex.system import outside_text


class Subject(Struct, frozen=True, kw_only=True):
    """A file that ships: its file name, and its SHA-256 in hexadecimal."""

    name: str
    sha256: Sha256


def statement(kind: Kind, predicate: Mapping[str, Any], subjects: Sequence[Subject]) -> dict[str, Any]:
    """Return the statement of this kind about `subjects`, of which there is at least one.

    `predicate` has JSON values only. Raises `ValueError` without a subject, because such a statement is about nothing.
    """
    if not subjects:
        msg = "a statement needs a subject"
        raise ValueError(msg)
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": subject.name, "digest": {"sha256": subject.sha256}} for subject in subjects],
        "predicateType": PREDICATE_TYPES[kind],
        "predicate": dict(predicate),
    }


def json_text(value: Mapping[str, Any]) -> str:
    """Return the text of a statement or of a predicate, which is always the same for the same value.

    It is indented JSON with one newline at its end. Everything invisible is escaped, and so are lone surrogates, so the
    text can be encoded as UTF-8.
    """
    return outside_text.json_text(value)


def timestamp(time: dt.datetime) -> str:
    """Return a time as RFC 3339 has it, in UTC and in whole seconds: `2026-11-26T16:40:00Z`."""
    return f"{time.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
