"""A repository of a registry in memory, which may lie in every answer."""

from __future__ import annotations

from collections.abc import Iterable

from nox_pex.errors import NoxPexError
from nox_pex.evidence.image.referrers import Attachment
from nox_pex.oci import media_types
from nox_pex.oci.descriptor import Descriptor, Digest, digest_of
from nox_pex.oci.layout import WrittenImage
from nox_pex.oci.reference import ImageName
from nox_pex.registry.repository import FetchedManifest, Repository


class HeldRepository(Repository):
    """A repository with an image, and the referrers that are added to it. It counts what is asked for."""

    def __init__(self, image: WrittenImage) -> None:
        self.manifests = {
            each.descriptor.digest: (each.read(), each.descriptor.media_type) for each in (image.top, *image.manifests)
        }
        self.blobs: dict[Digest, bytes] = {}
        self.listed: dict[Digest, list[Descriptor]] = {}
        self.asked = 0

    @property
    def name(self) -> ImageName:
        return ImageName(registry="registry.example", repository="team/service")

    def attach(self, attachments: Iterable[Attachment]) -> None:
        for each in attachments:
            content = each.referrer.manifest
            assert isinstance(content.source, bytes)
            self.add(each.referrer.subject, content.source, artifact_type=each.artifact_type)
            for blob in each.referrer.blobs:
                assert isinstance(blob.source, bytes)
                self.blobs[blob.descriptor.digest] = blob.source

    def add(
        self, subject: Digest, data: bytes, *, artifact_type: str | None, media_type: str = media_types.MANIFEST
    ) -> None:
        digest = digest_of(data)
        self.manifests[digest] = (data, media_type)
        descriptor = Descriptor(media_type=media_type, digest=digest, size=len(data), artifact_type=artifact_type)
        self.listed.setdefault(subject, []).append(descriptor)

    def fetch_manifest(self, wanted: str) -> FetchedManifest:
        self.asked += 1
        if wanted not in self.manifests:
            raise NoxPexError("registry", f"{wanted} does not exist", "check the name")
        data, media_type = self.manifests[wanted]
        return FetchedManifest(media_type=media_type, data=data, digest=digest_of(data))

    def fetch_small(self, descriptor: Descriptor, largest: int) -> bytes:
        self.asked += 1
        assert descriptor.size <= largest
        if descriptor.digest not in self.blobs:
            raise NoxPexError("registry", f"{descriptor.digest} does not exist", "check the name")
        return self.blobs[descriptor.digest]

    def referrers(self, digest: Digest) -> tuple[Descriptor, ...]:
        return tuple(self.listed.get(digest, ()))
