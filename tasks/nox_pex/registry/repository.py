"""One repository of a registry: what nox-pex reads from it.

Fact source: OCI distribution specification 1.1.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from nox_pex.oci.descriptor import Descriptor, Digest
from nox_pex.oci.reference import ImageName
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with the bytes that are done, all bytes, and what is sent or fetched now. Any thread may call it."""


class FetchedManifest(Struct, frozen=True, kw_only=True):
    """The bytes of a manifest or an index, the media type that the registry announced, and the digest of the bytes."""

    media_type: str
    data: bytes
    digest: Digest


class Repository:
    """A repository of a registry. All threads may use it at the same time.

    Every method raises `NoxPexError`: `registry` if the registry does not answer, refuses the request, or sends
    something else than what was asked for, and `registry-auth` if it wants other credentials. The texts of the errors
    contain no secret.
    """

    name: ImageName

    @property
    def secrets(self) -> Secrets:
        """The secrets of the shell and the credentials and tokens that were used so far, to mask them elsewhere."""
        raise NotImplementedError

    def fetch_manifest(self, wanted: str) -> FetchedManifest:
        """Return the manifest or index with a digest or tag (`name.wanted`).

        OCI's and Docker's types are accepted, also indexes. At most `manifest.LARGEST` bytes are read. If `wanted` is a
        digest, the bytes have it.
        """
        raise NotImplementedError

    def fetch_blob(self, descriptor: Descriptor, into: Path, *, progress: Progress | None = None) -> None:
        """Write a blob to the file `into`, of which the directory exists.

        Size and digest are checked while the bytes come. The file appears when they are complete.
        """
        raise NotImplementedError

    def fetch_small(self, descriptor: Descriptor, largest: int) -> bytes:
        """Return the bytes of a blob, checked. An announced size over `largest` bytes is an error."""
        raise NotImplementedError

    def has(self, digest: Digest) -> bool:
        """Whether the repository has the blob."""
        raise NotImplementedError

    def has_manifest(self, digest: Digest) -> bool:
        """Whether the repository has the manifest or index."""
        raise NotImplementedError

    def referrers(self, digest: Digest) -> tuple[Descriptor, ...]:
        """Return the descriptors of the manifests whose subject is `digest`, of all artifact types.

        Asks the referrers API, and, if the registry does not have it, reads the tag `sha256-HEX`. No referrers give an
        empty tuple. Everything in the descriptors is what somebody claims: fetch and check the manifests.
        """
        raise NotImplementedError


@contextlib.contextmanager
def open_repository(
    name: ImageName, *, environ: Mapping[str, str], shell: Shell, say: Callable[[str], None]
) -> Iterator[Repository]:
    """Yield the repository of `name`. Nothing is sent before a method is called.

    `environ` says where the files with credentials are, which certificates are trusted (`SSL_CERT_FILE`,
    `SSL_CERT_DIR`), and which proxies are used. `shell` has the secrets to mask, and the variables for credential
    helpers. `say` shows one line to the user.
    """
    raise NotImplementedError
    yield
