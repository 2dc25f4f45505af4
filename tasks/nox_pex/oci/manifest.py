"""Manifests and indexes, which anybody may have written.

Fact sources: OCI image specification 1.1, "Image Manifest Specification", "Image Index Specification"; Docker's "Image
Manifest Version 2, Schema 2", which has the same keys.
"""

# Without `from __future__ import annotations`: msgspec would compile the text of each annotation in every run.

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from nox_pex.oci import media_types
from nox_pex.oci.descriptor import Descriptor
from nox_pex.system import strict_json

LARGEST: Final = 4 << 20
"""Bytes of a manifest, an index or a configuration that are read (OCI distribution specification 1.1, "Push")."""


_T = TypeVar("_T", bound=Struct)


class FormatError(Exception):
    """Content that is not what its media type says, or that nox-pex does not read. The text is a phrase."""


class Manifest(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The manifest of an image for one platform, or of an artifact (then `artifact_type` or `subject` is there)."""

    schema_version: Literal[2]
    media_type: str | None = None
    artifact_type: str | None = None
    config: Descriptor
    layers: Annotated[tuple[Descriptor, ...], Meta(max_length=1000)]
    subject: Descriptor | None = None
    annotations: Mapping[str, str] | None = None


class Index(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A list of manifests: one for each platform, or the referrers of an image, of which each push may add some."""

    schema_version: Literal[2]
    media_type: str | None = None
    manifests: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    annotations: Mapping[str, str] | None = None


def encode(value: Struct) -> bytes:
    """Return the bytes of a manifest, an index or a configuration: the same value always gives the same bytes."""
    return msgspec.json.encode(value)


def parse(data: bytes, media_type: str) -> Manifest | Index:
    """Return the manifest, or the index, in `data`, whose type is `media_type` according to whoever sent it.

    Raises `FormatError` if it is neither, or if its own `mediaType` differs: the same bytes must not be read in two
    ways.
    """
    value = table(data)
    if value.get("schemaVersion") == 1:
        msg = "it has schema version 1, which is obsolete"
        raise FormatError(msg)
    own = value.get("mediaType", media_type)
    if own != media_type:
        msg = f"its type is {own!r}, but it was announced as {media_type!r}"
        raise FormatError(msg)
    if media_type in media_types.INDEXES and "layers" not in value:
        return converted(value, Index)
    if media_type in media_types.MANIFESTS and "manifests" not in value:
        return converted(value, Manifest)
    msg = f"its type {media_type!r} is neither that of an image nor that of an index"
    raise FormatError(msg)


def table(data: bytes) -> dict[str, Any]:
    """Return the JSON object in `data`, of at most `LARGEST` bytes. Raises `FormatError`."""
    if len(data) > LARGEST:
        msg = f"it has more than {LARGEST} bytes"
        raise FormatError(msg)
    try:
        value = strict_json.parse(data)
    except ValueError as error:
        msg = f"it is not JSON: {error}"
        raise FormatError(msg) from error
    if not isinstance(value, dict):
        msg = "it is not a JSON object"
        raise FormatError(msg)
    return value


def converted(value: object, form: type[_T]) -> _T:
    """Return a JSON value in a typed form. Raises `FormatError`."""
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        msg = f"it does not have the form of OCI: {error}"
        raise FormatError(msg) from error
