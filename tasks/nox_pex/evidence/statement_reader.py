"""The part of in-toto statements that all kinds have. Anybody may have written them.

Fact source: the in-toto attestation framework, "Statement layer" v1.
"""

from __future__ import annotations

from msgspec import Raw, Struct, field
from msgspec.json import Decoder

from nox_pex.evidence.kinds import STATEMENT_TYPE


class Digests(Struct, frozen=True, kw_only=True):
    """The digests of a subject. Only SHA-256, in hexadecimal, is used."""

    sha256: str = ""


class Subject(Struct, frozen=True, kw_only=True):
    """A file that a statement is about. Its name proves nothing."""

    digest: Digests


class Statement(Struct, frozen=True, kw_only=True, rename="camel"):
    """A statement about files. `predicate` is its JSON text."""

    type_: str = field(name="_type")
    subject: list[Subject]
    predicate_type: str
    predicate: Raw = Raw(b"{}")

    @property
    def sha256s(self) -> frozenset[str]:
        """The SHA-256 of the files that the statement is about, in lower case."""
        return frozenset(subject.digest.sha256.lower() for subject in self.subject) - {""}


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
