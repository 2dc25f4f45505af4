"""Bundles of signed statements for tests: the good one, and lines for bad ones."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any, Final

from nox_pex.evidence import dsse
from nox_pex.evidence.kinds import KINDS, PAYLOAD_TYPE, Kind
from tests.support.signing_keys import ED25519, PrivateKey, loaded
from tests.support.statements import statement, text


def envelope(payload: bytes, key: PrivateKey = ED25519, payload_type: str = PAYLOAD_TYPE) -> dict[str, Any]:
    """An envelope that `key` has signed, with any payload."""
    signing_key = loaded(key)
    signature = signing_key.sign(dsse.pae(payload_type, payload))
    return {
        "payload": b64encode(payload).decode("ascii"),
        "payloadType": payload_type,
        "signatures": [{"keyid": signing_key.keyid, "sig": b64encode(signature).decode("ascii")}],
    }


def line(value: object) -> bytes:
    return json.dumps(value).encode("utf-8")


def signed(kind: Kind, key: PrivateKey = ED25519, /, **predicate: Any) -> bytes:
    """A line with a statement about the file, signed."""
    return line(envelope(text(statement(kind, **predicate)), key))


def payload(of_line: bytes) -> bytes:
    return b64decode(json.loads(of_line)["payload"])


GOOD: Final = {kind: signed(kind) for kind in KINDS}
"""A line of each kind, which prove everything."""


def bundle(*lines: bytes, **instead: bytes) -> bytes:
    """The good lines, with some `instead` of those of their kind, and more `lines` after them."""
    good = [instead.get(kind, of_kind) for kind, of_kind in GOOD.items()]
    return b"\n".join([*good, *lines]) + b"\n"
