"""One repository of a registry: what nox-pex reads from it.

Fact source: OCI distribution specification 1.1, "Pull" and "Listing Referrers".
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.oci import manifest, media_types
from nox_pex.oci.descriptor import Descriptor, Digest, digest_of
from nox_pex.oci.reference import ImageName
from nox_pex.registry import referrers, transport
from nox_pex.registry.failures import TryAgainError
from nox_pex.registry.session import PULL, Reading, Session
from nox_pex.registry.transport import Patience
from nox_pex.system import strict_json
from nox_pex.system.command import Shell
from nox_pex.system.messages import Say
from nox_pex.system.secrets import Secrets

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with the bytes that are done, all bytes, and what is sent or fetched now. Any thread may call it."""


_ACCEPT: Final = ", ".join(sorted(media_types.INDEXES | media_types.MANIFESTS))


_OK: Final = 200


_MISSING: Final = frozenset({404, 405})


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

    def __init__(self, session: Session) -> None:
        self.session = session

    @property
    def name(self) -> ImageName:
        """The name that the repository was opened with."""
        return self.session.name

    @property
    def secrets(self) -> Secrets:
        """The secrets of the shell and the credentials and tokens that were used so far, to mask them elsewhere."""
        return self.session.secrets

    def fetch_manifest(self, wanted: str) -> FetchedManifest:
        """Return the manifest or index with a digest or tag (`name.wanted`).

        OCI's and Docker's types are accepted, also indexes. At most `manifest.LARGEST` bytes are read. If `wanted` is a
        digest, the bytes have it.
        """
        found = self.find_manifest(wanted)
        if found is None:
            problem = f"{self._shown(wanted)} does not exist in its registry (404 Not Found)"
            raise NoxPexError("registry", problem, "check the name, and that you may read it")
        return found

    def find_manifest(self, wanted: str, *, actions: str = PULL) -> FetchedManifest | None:
        """Return the manifest or index with a digest or tag, None if there is none."""

        def read(reading: Reading) -> FetchedManifest | None:
            if reading.status != _OK:
                return None
            data = reading.body(manifest.LARGEST)
            digest = digest_of(data)
            announced = reading.headers.get("Docker-Content-Digest", digest)
            expected = wanted if wanted.startswith("sha256:") else announced
            if expected.startswith("sha256:") and digest != expected:
                msg = f"the manifest has the digest {digest}, not {expected}"
                raise reading.broken(msg)
            return FetchedManifest(media_type=_media_type(reading, data), data=data, digest=digest)

        return self.session.call(
            "GET",
            f"manifests/{wanted}",
            read,
            expected={_OK, 404},
            headers={"Accept": _ACCEPT},
            actions=actions,
        )

    def fetch_blob(self, descriptor: Descriptor, into: Path, *, progress: Progress | None = None) -> None:
        """Write a blob to the file `into`, of which the directory exists.

        Size and digest are checked while the bytes come. The file appears when they are complete.
        """
        partial = into.with_name(f".{into.name}.{secrets.token_hex(4)}.part")

        def read(reading: Reading) -> None:
            with partial.open("wb") as file:
                done = 0
                for piece in _checked(reading, descriptor):
                    self.session.check()
                    file.write(piece)
                    done += len(piece)
                    if progress is not None:
                        progress(done, descriptor.size, descriptor.digest)

        try:
            self.session.call("GET", f"blobs/{descriptor.digest}", read, expected={_OK})
            partial.replace(into)
        finally:
            partial.unlink(missing_ok=True)

    def fetch_small(self, descriptor: Descriptor, largest: int) -> bytes:
        """Return the bytes of a blob, checked. An announced size over `largest` bytes is an error."""
        if descriptor.size > largest:
            problem = f"{self._shown(descriptor.digest)} has {descriptor.size} bytes, more than {largest}"
            raise NoxPexError("registry", problem, "use another image")

        def read(reading: Reading) -> bytes:
            return b"".join(_checked(reading, descriptor))

        return self.session.call("GET", f"blobs/{descriptor.digest}", read, expected={_OK})

    def has(self, digest: Digest, *, actions: str = PULL) -> bool:
        """Whether the repository has the blob."""
        return self._exists(f"blobs/{digest}", actions=actions)

    def has_manifest(self, digest: Digest, *, actions: str = PULL) -> bool:
        """Whether the repository has the manifest or index."""
        return self._exists(f"manifests/{digest}", actions=actions)

    def digest_of_tag(self, tag: str, *, actions: str = PULL) -> str | None:
        """Return the digest that a tag names; None if there is no such tag, or the registry does not tell."""

        def read(reading: Reading) -> str | None:
            return reading.headers.get("Docker-Content-Digest") if reading.status == _OK else None

        headers = {"Accept": _ACCEPT}
        expected = {_OK, *_MISSING}
        return self.session.call("HEAD", f"manifests/{tag}", read, expected=expected, headers=headers, actions=actions)

    def referrers(self, digest: Digest) -> tuple[Descriptor, ...]:
        """Return the descriptors of the manifests whose subject is `digest`, of all artifact types.

        Asks the referrers API, and, if the registry does not have it, reads the tag `sha256-HEX`. No referrers give an
        empty tuple. Everything in the descriptors is what somebody claims: fetch and check the manifests.
        """
        listed = referrers.listed_by_api(self.session, digest)
        if listed is not None:
            return listed
        found = self.find_manifest(referrers.tag_of(digest))
        if found is None:
            return ()
        try:
            return referrers.parse(found.data).manifests
        except manifest.FormatError as error:
            problem = f"{self._shown(referrers.tag_of(digest))} is no index of referrers: {error}"
            raise NoxPexError("registry", problem, "remove that tag, and push the referrers again") from error

    def _exists(self, path: str, *, actions: str) -> bool:
        headers = {"Accept": _ACCEPT} if path.startswith("manifests/") else {}
        return self.session.call(
            "HEAD",
            path,
            lambda reading: reading.status == _OK,
            expected={_OK, *_MISSING},
            headers=headers,
            actions=actions,
        )

    def _shown(self, wanted: str) -> str:
        joined = "@" if wanted.startswith("sha256:") else ":"
        return f"{self.name.registry}/{self.name.repository}{joined}{wanted}"


@contextlib.contextmanager
def open_repository(
    name: ImageName,
    *,
    environ: Mapping[str, str],
    shell: Shell,
    say: Say,
    patience: Patience | None = None,
) -> Iterator[Repository]:
    """Yield the repository of `name`. Nothing is sent before a method is called.

    `environ` says where the files with credentials are, which certificates are trusted (`SSL_CERT_FILE`,
    `SSL_CERT_DIR`), and which proxies are used. `shell` has the secrets to mask. `say` shows one line to the user.
    `patience` limits how long the registry may take.
    """
    session = Session(name, environ=environ, shell=shell, say=say, patience=patience or Patience())
    try:
        yield Repository(session)
    finally:
        session.close()


def _media_type(reading: Reading, data: bytes) -> str:
    """Return the media type of a manifest: of the header, or, if that is a general one, its own."""
    announced = reading.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if announced and announced not in ("application/json", "text/plain", "application/octet-stream"):
        return announced
    try:
        value = strict_json.parse(data)
    except ValueError:
        return announced
    own = value.get("mediaType") if isinstance(value, dict) else None
    return own if isinstance(own, str) else announced


def _checked(reading: Reading, descriptor: Descriptor) -> Iterator[bytes]:
    """Yield the pieces of a blob, never more than its size.

    Raises `NoxPexError` `registry` if it is longer or has another digest, and `TryAgainError` if it ends too early.
    """
    announced = reading.headers.get("Content-Length")
    if announced is not None and announced != str(descriptor.size):
        msg = f"the registry announces {announced} bytes, but the blob has {descriptor.size}"
        raise reading.broken(msg)
    hashed, received = hashlib.sha256(), 0
    for piece in transport.pieces(reading.response, most=descriptor.size, patience=reading.patience):
        received += len(piece)
        if received > descriptor.size:
            msg = f"more than the {descriptor.size} bytes of the blob arrive"
            raise reading.broken(msg)
        hashed.update(piece)
        yield piece
    if received < descriptor.size:
        raise TryAgainError(reading.broken(f"only {received} of {descriptor.size} bytes arrived"))
    if (digest := f"sha256:{hashed.hexdigest()}") != descriptor.digest:
        msg = f"the blob has the digest {digest}"
        raise reading.broken(msg)
