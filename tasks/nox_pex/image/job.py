"""The image to build, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from nox_pex.build.target import Target
from nox_pex.image.base_image import ImagePython
from nox_pex.settings.image import Image
from nox_pex.smoke.report import SmokeReport
from nox_pex.system.command import Shell
from nox_pex.tools.provision import Provisioner


class Job(Struct, frozen=True, kw_only=True):
    """An image to make of `target`.

    `image` is its table in the settings, `record` the build record of the binary, or empty. With `from_source` the
    binary is built inside the image's own build.
    """

    target: Target
    image: Image
    record: Mapping[str, Any]
    from_source: bool
    provisioner: Provisioner

    @property
    def shell(self) -> Shell:
        """How the engine is run."""
        return self.provisioner.shell

    @property
    def python(self) -> str | None:
        """The version of Python that the binary was built with, as far as that is on record."""
        return str(self.record.get("python", "")).rpartition(" ")[2] or None

    @property
    def minor(self) -> str | None:
        """Major and minor of it."""
        return ".".join(self.python.split(".")[:2]) if self.python else None

    @property
    def key(self) -> str:
        """The table that it comes from, for errors."""
        return f"{self.target.key}.image"

    @property
    def file(self) -> Path:
        """The Dockerfile that is built."""
        return self.target.file("Dockerfile")

    @property
    def distribution(self) -> str | None:
        """The name of the project's distribution, where it ships as one."""
        project = self.target.project
        return project.name if project.package_mode else None


class BuiltImage(Struct, frozen=True, kw_only=True):
    """An image that is there: its id, its names, what the engine says of it, what it stands on."""

    identity: str
    tags: tuple[str, ...]
    described: Mapping[str, Any]
    base: Mapping[str, Any]
    facts: ImagePython
    seconds: float

    @property
    def layers(self) -> tuple[str, ...]:
        """The digests of its layers above the base, lowest first."""
        below = len(_layers(self.base))
        return _layers(self.described)[below:]

    @property
    def added(self) -> int | None:
        """Bytes above the base, where the engine tells."""
        sizes = (self.described.get("Size"), self.base.get("Size"))
        return sizes[0] - sizes[1] if isinstance(sizes[0], int) and isinstance(sizes[1], int) else None


class ImageResult(Struct, frozen=True, kw_only=True):
    """What became of a job: the report of the container's smoke test, and what `NAME.image.json` holds."""

    report: SmokeReport
    as_json: Mapping[str, Any]


def _layers(described: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple((described.get("RootFS") or {}).get("Layers") or ())
