"""The manifests that attach statements and a bill of materials to an image in a registry. Pure.

Each statement is attached to every digest that it is about. A verifier asks for the referrers of the one digest that it
deploys: that of an index, or that of a platform's manifest.

Fact sources: OCI image specification 1.1, "Image Manifest Specification" (`subject`, "Guidelines for Artifact Usage");
`WriteAttestationNewBundleFormat` and `WriteReferrer` in `pkg/oci/remote/write.go` of cosign 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from nox_pex.evidence import sigstore_bundle
from nox_pex.evidence.image.stated import StatedImage
from nox_pex.evidence.image.statements import SignedStatement
from nox_pex.evidence.kinds import Kind
from nox_pex.oci import manifest, media_types
from nox_pex.oci.descriptor import Descriptor, describe
from nox_pex.oci.manifest import Manifest
from nox_pex.registry.push import Content, Referrer

BILL_TYPE: Final = "application/vnd.cyclonedx+json"
"""The media type of a bill of materials in JSON (IANA)."""


CONTENT: Final = "dev.sigstore.bundle.content"


PREDICATE_TYPE: Final = "dev.sigstore.bundle.predicateType"


_CREATED: Final = "org.opencontainers.image.created"


_TITLE: Final = "org.opencontainers.image.title"


_NOTHING: Final = b"{}"
"""The content of the configuration of an artifact that has none."""


class Attachment(Struct, frozen=True, kw_only=True):
    """A referrer, the kind of statement or bill that it has, and its artifact type."""

    kind: Kind
    artifact_type: str
    referrer: Referrer


def of_statements(image: StatedImage, signed: Sequence[SignedStatement]) -> tuple[Attachment, ...]:
    """Return a referrer for each statement and each digest of `image`.

    The annotations are cosign's. Their time is that of what is stated, so that the same statement gives the same
    manifest. Raises `ValueError` if a statement is not about a digest: it must not be attached to it.
    """
    found = []
    for descriptor in image.descriptors:
        for each in signed:
            if descriptor.digest not in each.statement.about:
                msg = f"the statement of the kind {each.statement.kind} is not about {descriptor.digest}"
                raise ValueError(msg)
            annotations = {CONTENT: "dsse-envelope", PREDICATE_TYPE: each.statement.predicate_type}
            if each.statement.time is not None:
                annotations[_CREATED] = each.statement.time
            referrer = _referrer(descriptor, each.bundle, sigstore_bundle.MEDIA_TYPE, annotations=annotations)
            kind, artifact_type = each.statement.kind, sigstore_bundle.MEDIA_TYPE
            found.append(Attachment(kind=kind, artifact_type=artifact_type, referrer=referrer))
    return tuple(found)


def of_bill(image: StatedImage, bill: bytes, *, file: str, created: str | None) -> tuple[Attachment, ...]:
    """Return a referrer with the bill of materials, the content of `file`, for each digest of `image`."""
    annotations = {_CREATED: created} if created is not None else {}
    found = [
        _referrer(descriptor, bill, BILL_TYPE, annotations=annotations, title=file) for descriptor in image.descriptors
    ]
    return tuple(Attachment(kind="sbom", artifact_type=BILL_TYPE, referrer=each) for each in found)


def _referrer(
    subject: Descriptor, content: bytes, media_type: str, *, annotations: Mapping[str, str], title: str | None = None
) -> Referrer:
    """Return the manifest of an artifact with one layer, `content`, that refers to `subject`."""
    empty, layer = describe(_NOTHING, media_types.EMPTY), describe(content, media_type)
    named = Descriptor(
        media_type=layer.media_type,
        digest=layer.digest,
        size=layer.size,
        annotations={_TITLE: title} if title is not None else None,
    )
    encoded = manifest.encode(
        Manifest(
            schema_version=2,
            media_type=media_types.MANIFEST,
            artifact_type=media_type,
            config=empty,
            layers=(named,),
            subject=Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size),
            annotations=annotations or None,
        )
    )
    announced = describe(encoded, media_types.MANIFEST)
    return Referrer(
        manifest=Content(
            descriptor=Descriptor(
                media_type=announced.media_type,
                digest=announced.digest,
                size=announced.size,
                artifact_type=media_type,
                annotations=annotations or None,
            ),
            source=encoded,
        ),
        blobs=(Content(descriptor=empty, source=_NOTHING), Content(descriptor=layer, source=content)),
        subject=subject.digest,
    )
