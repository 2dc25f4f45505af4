"""An image that an engine built, read from the engine as it is pushed to a registry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.image.engine import Engine
from nox_pex.oci import docker_archive
from nox_pex.oci.descriptor import Digest
from nox_pex.oci.image import LayerFile
from nox_pex.oci.layer_store import LayerStore
from nox_pex.oci.layout import WrittenImage
from nox_pex.oci.manifest import FormatError
from nox_pex.system import os_errors
from nox_pex.system.command import Shell
from nox_pex.tools.cache import Caches

_SHA256: Final = "sha256:"


def save(
    engine: Engine,
    identity: str,
    *,
    shell: Shell,
    caches: Caches,
    into: Path,
    known: Mapping[Digest, LayerFile] | None = None,
) -> WrittenImage:
    """Return the image with the engine's id `identity`, with its layers as files in the user's cache.

    The empty directory `into` has a plain path (`plain_paths`), and must last as long as the image. `known` are layers
    by their diff ids: if those of the base are among them, they keep the digest that they have in their registry. The
    manifest is the same each time: nothing in it comes from the engine's own, which depends on the compression.
    Raises `NoxPexError`: `engine-failed` if the engine cannot save the image, or saves something else, `disk-full`.
    """
    archive = into / "saved.tar"
    shell.say(f"push: reading {identity[: len(_SHA256) + 12]} from {engine.name}")
    outcome = shell.run(engine.save_argv(identity, archive), what=f"push: save {identity}", env=shell.environ)
    if outcome.status != 0:
        reason = outcome.tail[-1].strip() if outcome.tail else f"exit status {outcome.status}"
        problem = f"{engine.name} cannot save the image {identity}: {reason}"
        raise NoxPexError("engine-failed", problem, "build it again with `nox -s image`", log=outcome.tail)
    try:
        with os_errors.writing("the image's layers", place=into):
            return docker_archive.read(archive, into, store=LayerStore(caches=caches), known=known or {})
    except FormatError as error:
        problem = f"{engine.name} saved the image {identity} in a form that nox-pex does not read: {error}"
        raise NoxPexError("engine-failed", problem, "build it again with `nox -s image`") from error
    finally:
        archive.unlink(missing_ok=True)
