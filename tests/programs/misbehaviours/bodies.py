"""Servers whose bodies are hard to read or to compare."""

from __future__ import annotations

import json
from functools import partial
from typing import Final

from tests.programs.misbehaviours import HOSTILE, Misbehaviour, get

_Wrong = partial(Misbehaviour, program="odd_bodies", code="check-failed")
_SCHEMA: Final = {"schema.json": json.dumps({"properties": {"message": {"pattern": HOSTILE}}})}
_SEARCH: Final = "$[?search(@, '" + HOSTILE + "')]"
_HELLO: Final = {"message": "Hello World"}

ROWS: Final = (
    # JSON
    _Wrong(mode="nested-900", settings=get(json_path={"$..id": 8}), words=("$..id",)),
    _Wrong(mode="nested-900-objects", settings=get(json_path={"$..[?@.id > 9]": 8}), words=("$..[?@.id > 9]",)),
    _Wrong(mode="nested-900", settings=get(json=[[1]]), words=("expected",)),
    _Wrong(mode="nested-100000", settings=get(json=[[1]]), words=("expected JSON",)),
    _Wrong(mode="a-lone-surrogate", settings=get(json=_HELLO), words=("$.message",)),
    _Wrong(mode="a-lone-surrogate-as-key", settings=get(json=_HELLO), words=("$",)),
    _Wrong(mode="a-lone-surrogate", settings=get(json_path={"$.message": 1}), words=("$.message",)),
    _Wrong(mode="a-huge-integer", settings=get(json=_HELLO), words=("expected",)),
    _Wrong(mode="a-huge-exponent", settings=get(json=_HELLO), words=("expected",)),
    _Wrong(mode="nan", settings=get(json=_HELLO), words=("expected",)),
    _Wrong(mode="a-key-twice", settings=get(json=_HELLO), words=("expected",)),
    _Wrong(mode="a-bom", settings=get(json=_HELLO), words=("expected",)),
    _Wrong(mode="two-documents", settings=get(json=_HELLO), words=("expected JSON",)),
    _Wrong(mode="wide", settings=get(json=_HELLO, timeout=10.0), words=("expected",)),
    _Wrong(mode="escapes", settings=get(contains="Hello"), words=("Hello",)),
    # Patterns that backtrack
    _Wrong(mode="hostile", settings=get(headers={"X-Hostile": {"matches": HOSTILE}}), words=(HOSTILE,)),
    _Wrong(mode="hostile", settings=get(json_schema="schema.json"), files=_SCHEMA, words=("schema.json",)),
    _Wrong(mode="hostile", settings=get(json_path={_SEARCH: 1}), words=("search",)),
    # Content codings
    _Wrong(mode="a-deflate-bomb", settings=get(timeout=10.0), words=("larger than 16777216 bytes",)),
    _Wrong(mode="ten-codings", settings=get(json=_HELLO), words=("expected JSON",)),
    _Wrong(mode="half-a-gzip", settings=get(json=_HELLO), words=("gzip",)),
    # Charsets that are no text
    _Wrong(mode="charset-idna", settings=get(contains="Goodbye"), words=("unknown charset 'idna'",)),
    _Wrong(mode="charset-long", settings=get(contains="Goodbye"), words=("xxxx",)),
)
