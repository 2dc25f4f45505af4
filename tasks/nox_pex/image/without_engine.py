"""Builds an image without an engine: the layers of the base, those of the binary, and an OCI layout on disk."""

from __future__ import annotations

import datetime as dt
import os
import platform
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from nox_pex.distributions.pex_file import PexError
from nox_pex.errors import NoxPexError
from nox_pex.image import compatibility, config
from nox_pex.image.base import fetch, python
from nox_pex.image.base_image import ImagePython
from nox_pex.image.build import requirements, unreadable
from nox_pex.image.compatibility import BinaryRequirements
from nox_pex.image.content import write
from nox_pex.image.content.request import ContentRequest, ImageContent
from nox_pex.image.job import Job
from nox_pex.image.labels import labels, tags
from nox_pex.image.root_file_system import ask
from nox_pex.image.root_file_system.compiler import BaseCompiler
from nox_pex.oci import layout, manifest, media_types, reference
from nox_pex.oci.descriptor import Descriptor, Digest, ImagePlatform, parse_platform, platform_of_machine
from nox_pex.oci.image import BaseImage, LayerFile
from nox_pex.oci.image_config import ImageConfig
from nox_pex.oci.layout import Blob, WrittenImage
from nox_pex.oci.manifest import Index
from nox_pex.pex.build_record import Times, timestamp
from nox_pex.smoke.process.program import UnavailableError
from nox_pex.system import locks
from nox_pex.system.wording import counted, megabytes


class PlatformImage(Struct, frozen=True, kw_only=True):
    """The image for one platform: its base, the base's Python, its own content, its configuration and its manifest."""

    base: BaseImage
    python: ImagePython
    content: ImageContent
    config: ImageConfig
    config_blob: Blob
    manifest: Blob

    @property
    def platform(self) -> ImagePlatform:
        """The platform that it is for."""
        return self.config.platform

    @property
    def layers(self) -> tuple[LayerFile, ...]:
        """All layers, the lowest first."""
        return (*self.base.layers, *self.content.layers)

    @property
    def added_bytes(self) -> int:
        """The bytes of the compressed layers above the base."""
        return sum(layer.descriptor.size for layer in self.content.layers)

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """The configuration and the layers."""
        layers = (Blob(descriptor=layer.descriptor, content=layer.path) for layer in self.layers)
        return (self.config_blob, *layers)


class ImageLayout(Struct, frozen=True, kw_only=True):
    """An image that nox-pex wrote to the OCI layout `directory`, and when.

    `digest` is that of the manifest, or of the index if the image is for several platforms.
    """

    directory: Path
    digest: Digest
    tags: tuple[str, ...]
    images: tuple[PlatformImage, ...]
    seconds: float
    times: Times

    def runs_here(self) -> PlatformImage | None:
        """Return the image for this machine's platform; None if there is none."""
        here = platform_of_machine(platform.machine()).architecture
        return next((image for image in self.images if image.platform.architecture == here), None)


def build(job: Job) -> ImageLayout:
    """Write `NAME.oci`, and show what is in it.

    Raises `NoxPexError`: `integrity` if the binary is not a PEX that can be read, `image-base`, `image-python`,
    `registry`, `registry-auth`, `config`.
    """
    started, began = time.monotonic(), dt.datetime.now(dt.UTC)
    required = requirements(job.target.binary)  # before anything is fetched
    names = tags(job)
    waiting = f"image: waiting for another run that writes {job.layout.name}"
    with locks.locked(job.target.state_file("oci.lock"), waiting=lambda: job.shell.say(waiting)):
        images = tuple(_build_for(each, job, required) for each in _platforms(job))
        written = _written(images)
        layout.write(job.layout, written, [reference.parse(name) for name in names])
    built = ImageLayout(
        directory=job.layout,
        digest=written.top.descriptor.digest,
        tags=names,
        images=images,
        seconds=time.monotonic() - started,
        times=Times(started=timestamp(began), finished=timestamp(dt.datetime.now(dt.UTC))),
    )
    _show(built, job)
    return built


def _platforms(job: Job) -> tuple[ImagePlatform, ...]:
    """Return the platforms in the settings, or this machine's."""
    named = tuple(parse_platform(text) for text in job.image.platforms)
    return named or (platform_of_machine(platform.machine()),)


def _build_for(wanted: ImagePlatform, job: Job, required: BinaryRequirements) -> PlatformImage:
    """Return the image for one platform, with all its layers as files in the user's cache."""
    key, caches = f"{job.key}.base", job.provisioner.caches
    base = fetch.fetch(
        job.image.base,
        wanted,
        key=key,
        root=job.target.project.root,
        caches=caches,
        shell=job.shell,
    )
    in_layers = python.python_of(base, minor=job.minor, key=key, caches=caches)
    said = ask.as_it_runs(base, in_layers, caches=caches, say=job.shell.say)
    found = said or in_layers
    compatibility.check(
        required,
        found,
        name=job.target.name,
        base=f"{base.name} ({wanted})",
        built_with=job.built_with(wanted),
        has_engine=False,
    )
    job.shell.say(f"image: writing an image for {wanted} without an engine (base {base.name}: {found})")
    table = job.target.table
    request = ContentRequest(
        binary=job.target.binary,
        form=job.image.form,
        name=job.target.name,
        file=job.target.output.name,
        python=found,
        platform=python.platform_of(found, str(wanted)) if job.target.platforms else None,
        project=job.distribution,
        base_layers=len(base.layers),
        starts_directly=found.has_shell and table.sh_boot and table.layout == "zipapp",
    )
    compiler = None
    if said is not None:
        compiler = BaseCompiler(base=base, executable=said.executable, version=said.version, caches=caches)
    made = _content(request, compiler, job)
    written = config.config(base, job.image, made, python=found.executable, labels=labels(job))
    blob = Blob.of(manifest.encode(written), media_types.CONFIG)
    return PlatformImage(
        base=base,
        python=found,
        content=made,
        config=written,
        config_blob=blob,
        manifest=config.image_manifest(blob, base, made.layers),
    )


def _content(request: ContentRequest, compiler: BaseCompiler | None, job: Job) -> ImageContent:
    """Write the content of the image; without the base's Python if the kernel refuses to run it now."""
    caches = job.provisioner.caches
    try:
        try:
            return write.write_content(request, caches=caches, shell=job.shell, in_base=compiler)
        except UnavailableError:
            return write.write_content(request, caches=caches, shell=job.shell)
    except PexError as error:
        raise unreadable(job.target.binary, error) from error


def _written(images: tuple[PlatformImage, ...]) -> WrittenImage:
    """Return the image for one platform, or the index of several."""
    blobs = tuple(blob for image in images for blob in image.blobs)
    if len(images) == 1:
        return WrittenImage(top=images[0].manifest, blobs=blobs)
    index = Index(
        schema_version=2,
        media_type=media_types.INDEX,
        manifests=tuple(_with_platform(image.manifest.descriptor, image.platform) for image in images),
    )
    return WrittenImage(
        top=Blob.of(manifest.encode(index), media_types.INDEX),
        manifests=tuple(image.manifest for image in images),
        blobs=blobs,
    )


def _with_platform(descriptor: Descriptor, of: ImagePlatform) -> Descriptor:
    return msgspec.structs.replace(descriptor, platform=of)


def _show(built: ImageLayout, job: Job) -> None:
    """Show the image in a few lines: its size, the layer that an edit changes, and what the content has to say."""
    for note in dict.fromkeys(note for image in built.images for note in image.content.notes):
        job.shell.say(f"image: {note}")
    for image in built.images:
        last = image.content.layers[-1].descriptor
        job.shell.say(
            f"image: {image.platform}: {counted(image.content.layers, 'layer')}, {megabytes(image.added_bytes)} over"
            f" the base; the last one ({image.content.titles[-1]}) has {last.size} bytes ({last.digest[:19]})"
        )
    place = os.path.relpath(built.directory, job.target.project.root)
    job.shell.say(f"image: {', '.join(built.tags)} written to {place} in {built.seconds:.1f} s ({built.digest[:19]})")


def require_binary(job: Job) -> None:
    """Raise `NoxPexError` `usage` if the image's own build should build the binary: that needs an engine."""
    if job.from_source:
        problem = f"{job.key} has no engine, and --from-source builds in a stage of an engine's build"
        raise NoxPexError("usage", problem, "omit --from-source, or install podman")
