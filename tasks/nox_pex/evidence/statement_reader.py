"""The part of in-toto statements that all kinds have. Anybody may have written them.

Fact source: the in-toto attestation framework, "Statement layer" v1.
"""

from __future__ import annotations

import contextlib

from msgspec import Raw, Struct, ValidationError, field
from msgspec.json import Decoder

from nox_pex.evidence.kinds import STATEMENT_TYPE


class _Digests(Struct, frozen=True, kw_only=True):
    """The digests of a subject. Only SHA-256, in hexadecimal, is used."""

    sha256: str = ""


class _Subject(Struct, frozen=True, kw_only=True):
    """A file that a statement is about. Its name proves nothing."""

    digest: _Digests


class Statement(Struct, frozen=True, kw_only=True, rename="camel"):
    """A statement about files. `subject` and `predicate` are JSON texts."""

    type_: str = field(name="_type")
    subject: list[Raw]
    predicate_type: str
    predicate: Raw = Raw(b"{}")

    @property
    def sha256s(self) -> frozenset[str]:
        """The SHA-256 of the files that the statement is about, in lower case.

        A subject without one, or of another form, does not hide the others: a failed test of this file is one.
        """
        found = set()
        for text in self.subject:
            with contextlib.suppress(ValidationError):
                found.add(_SUBJECT.decode(text).digest.sha256.lower())
        return frozenset(found - {""})


_SUBJECT = Decoder(_Subject)


_STATEMENT = Decoder(Statement)


def read(payload: bytes) -> Statement:
    """Return the statement whose JSON text is `payload`. Raises `ValueError` if it is none of version 1.

    Fields that are not used are skipped, and need no memory. If a key is there twice, the last one counts:
    `strict_json.check` notices that.
    """
    try:
        statement = _STATEMENT.decode(payload)
    except (ValueError, RecursionError) as error:
        msg = "not an in-toto statement"
        raise ValueError(msg) from error
    if statement.type_ != STATEMENT_TYPE:
        msg = "not an in-toto statement of version 1"
        raise ValueError(msg)
    return statement
