"""The image that statements are about."""

from __future__ import annotations

from msgspec import Struct

from nox_pex.evidence.attestations import Subject
from nox_pex.oci.descriptor import Descriptor, Digest, hexadecimal


class StatedImage(Struct, frozen=True, kw_only=True):
    """An image as it is pushed: the manifest of each platform, and the index of them if it has one.

    `name` is the repository, without a tag: `registry.example/team/service`. `manifests` have their platforms. `ids`
    are the digests by which an engine may name the image that it built: of the configuration, and of the manifest and
    the index that it saved.
    """

    name: str
    manifests: tuple[Descriptor, ...]
    index: Descriptor | None = None
    ids: frozenset[Digest] = frozenset()

    @property
    def descriptors(self) -> tuple[Descriptor, ...]:
        """Everything that statements are attached to: the index first, because that is what the tags name."""
        return (*((self.index,) if self.index is not None else ()), *self.manifests)

    @property
    def digest(self) -> Digest:
        """The digest that the tags name."""
        return self.descriptors[0].digest

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """The subjects of the image's statements: every digest by which somebody may fetch it."""
        return tuple(Subject(name=self.name, sha256=hexadecimal(each.digest)) for each in self.descriptors)
