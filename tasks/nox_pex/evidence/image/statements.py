"""The statements about an image, from what was proven of it; signed as Sigstore bundles. Pure."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from msgspec import Raw, Struct
from msgspec.json import encode

from nox_pex.evidence import attestations, dsse, sigstore_bundle, test_result
from nox_pex.evidence.check import predicate as reading
from nox_pex.evidence.image import provenance
from nox_pex.evidence.image.proof import ImageProof
from nox_pex.evidence.image.stated import StatedImage
from nox_pex.evidence.keys import SigningKey
from nox_pex.evidence.kinds import KINDS, PREDICATE_TYPES, Kind
from nox_pex.evidence.provenance import Build
from nox_pex.oci.descriptor import Digest
from nox_pex.pex import build_record
from nox_pex.system.secrets import Secrets


class ImageStatement(Struct, frozen=True, kw_only=True):
    """A statement about an image: the bytes of its JSON text, and the digests that it is about.

    `time` is that of what it states, in RFC 3339; None if it has none.
    """

    kind: Kind
    payload: bytes
    about: frozenset[Digest]
    time: str | None = None

    @property
    def predicate_type(self) -> str:
        """The type of its predicate."""
        return PREDICATE_TYPES[self.kind]


class SignedStatement(Struct, frozen=True, kw_only=True):
    """A statement, and the Sigstore bundle in which a key has signed it."""

    statement: ImageStatement
    bundle: bytes


def predicates(
    proven: ImageProof, *, build: Build | None, bill: Mapping[str, Any], secrets: Secrets
) -> dict[Kind, Mapping[str, Any]]:
    """Return the predicate of each kind of statement about an image.

    `build` is the build of the binary in it, if that is the last one of this checkout: otherwise there is no
    provenance. `bill` is the bill of materials of the binary. Raises `OSError` if the Python that built it is gone.
    """
    found: dict[Kind, Mapping[str, Any]] = {
        "smoke": test_result.predicate(proven.result.smoke, proven.circumstances, secrets=secrets, table=""),
        "sbom": bill,
    }
    if build is not None:
        found["provenance"] = provenance.predicate(build, proven.result)
    return {kind: found[kind] for kind in KINDS if kind in found}


def statements(predicates: Mapping[Kind, Mapping[str, Any]], image: StatedImage) -> tuple[ImageStatement, ...]:
    """Return a statement of each kind about `image`: about all of its digests."""
    about = frozenset(each.digest for each in image.descriptors)
    return tuple(
        ImageStatement(
            kind=kind,
            payload=_compact(attestations.statement(kind, each, image.subjects)),
            about=about,
            time=_time(kind, each),
        )
        for kind, each in predicates.items()
    )


def sign(statements: tuple[ImageStatement, ...], key: SigningKey) -> tuple[SignedStatement, ...]:
    """Return the statements, each signed with `key`. Nothing is read, written or started."""
    return tuple(
        SignedStatement(statement=each, bundle=encode(sigstore_bundle.bundle(dsse.sign(each.payload, key))) + b"\n")
        for each in statements
    )


def _compact(value: Mapping[str, Any]) -> bytes:
    """Return the shortest JSON text of a statement: every push sends it. All characters in it are ASCII."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _time(kind: Kind, predicate: Mapping[str, Any]) -> str | None:
    found: dt.datetime | None = reading.time(kind, Raw(_compact(predicate)))
    return None if found is None else build_record.timestamp(found)
