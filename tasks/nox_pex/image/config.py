"""The configuration and the manifest of an image that nox-pex writes without an engine. Pure.

They say what the Dockerfile of `image.dockerfile` says. Fact sources: OCI image specification 1.1, "Image
Configuration"; Docker's reference of Dockerfiles (an instruction adds to the base, or replaces what it says).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from nox_pex.image import dockerfile
from nox_pex.image.content.request import ImageContent
from nox_pex.oci import manifest, media_types
from nox_pex.oci.descriptor import Descriptor
from nox_pex.oci.image import BaseImage, LayerFile
from nox_pex.oci.image_config import ContainerConfig, HistoryEntry, ImageConfig, RootFileSystem
from nox_pex.oci.layout import Blob
from nox_pex.oci.manifest import Manifest
from nox_pex.settings.image import Healthcheck, Image, port_number

CREATED: Final = "1980-01-01T00:00:00Z"
"""The date of every image, as of every file in it (`environ.EPOCH`)."""


OWN_LAYER: Final = "nox-pex: "
"""The beginning of the history's entry for each layer that nox-pex adds."""


_BASE: Final = "org.opencontainers.image.base"
"""The beginning of the annotations that name the base (OCI image specification, "Pre-Defined Annotation Keys")."""


_NANOSECONDS: Final = 1_000_000_000


def config(
    base: BaseImage, image: Image, content: ImageContent, *, python: str, labels: Mapping[str, str]
) -> ImageConfig:
    """Return the configuration of an image: that of its base, changed as the Dockerfile would change it.

    `python` is the path of the base's interpreter, for the health check.
    """
    inherited = base.config.container
    ports: dict[str, Any] = {f"{port_number('expose', port)}/{_protocol(port)}": {} for port in image.expose}
    container = ContainerConfig(
        user=dockerfile.user(image),
        exposed_ports={**(inherited.exposed_ports or {}), **ports} or None,
        env=_variables(inherited.env or (), {**content.env, **image.env}) or None,
        entrypoint=content.entrypoint,
        cmd=image.args or None,  # an ENTRYPOINT removes the CMD of the base
        volumes=inherited.volumes,
        working_dir=inherited.working_dir,
        labels={**(inherited.labels or {}), **labels, **image.labels} or None,
        stop_signal=inherited.stop_signal,
        healthcheck=inherited.healthcheck
        if image.healthcheck is None
        else _healthcheck(image.healthcheck, image, python=python),
    )
    history = [HistoryEntry(created=CREATED, created_by=f"{OWN_LAYER}{title}") for title in content.titles]
    return ImageConfig(
        created=CREATED,
        architecture=base.config.architecture,
        variant=base.config.variant,
        os=base.config.os,
        config=container,
        rootfs=RootFileSystem(diff_ids=(*base.config.rootfs.diff_ids, *(layer.diff_id for layer in content.layers))),
        history=(*_history(base), *history),
    )


def image_manifest(config_blob: Blob, base: BaseImage, layers: Sequence[LayerFile]) -> Blob:
    """Return the manifest of an image with the layers of its base, and its own `layers` above them."""
    descriptors = [_plain(layer.descriptor) for layer in (*base.layers, *layers)]
    value = Manifest(
        schema_version=2,
        media_type=media_types.MANIFEST,
        config=config_blob.descriptor,
        layers=tuple(descriptors),
        annotations=_annotations(base),
    )
    return Blob.of(manifest.encode(value), media_types.MANIFEST)


def _annotations(base: BaseImage) -> dict[str, str]:
    """Return what says which base an image has. A layout on disk has no name that others could use."""
    name = {} if base.repository is None else {f"{_BASE}.name": str(base.repository)}
    return {**name, f"{_BASE}.digest": base.index_digest or base.digest}


def _plain(descriptor: Descriptor) -> Descriptor:
    """Return a descriptor of a layer with nothing but type, digest and size."""
    return Descriptor(media_type=descriptor.media_type, digest=descriptor.digest, size=descriptor.size)


def _history(base: BaseImage) -> tuple[HistoryEntry, ...]:
    """Return the history of the base, with an entry for each layer; some builders leave it out."""
    history = base.config.history or ()
    lacking = len(base.layers) - sum(not entry.empty_layer for entry in history)
    return history if lacking == 0 else tuple(HistoryEntry(created_by="base") for _ in base.layers)


def _variables(inherited: Sequence[str], own: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables of the base, each replaced in its place if it is among `own`, and then the others."""
    values = {name: value for name, _, value in (variable.partition("=") for variable in inherited)}
    return tuple(f"{name}={value}" for name, value in {**values, **own}.items())


def _protocol(port: int | str) -> str:
    return str(port).partition("/")[2] or "tcp"


def _healthcheck(check: Healthcheck, image: Image, *, python: str) -> Mapping[str, Any]:
    return {
        "Test": ["CMD", *dockerfile.healthcheck_command(check, image, python=python)],
        "Interval": round(check.interval * _NANOSECONDS),
        "Timeout": round(check.timeout * _NANOSECONDS),
        "StartPeriod": round(check.start_period * _NANOSECONDS),
        "Retries": check.retries,
    }
