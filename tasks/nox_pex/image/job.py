"""An image to build, an image that was built, and the result of its check."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from nox_pex.image.base_image import ImagePython
from nox_pex.oci.descriptor import ImagePlatform
from nox_pex.pex.build_record import Times
from nox_pex.pex.target import Target
from nox_pex.settings.image import Image
from nox_pex.smoke.report import SmokeReport
from nox_pex.system.command import Shell
from nox_pex.tools.provision import Provisioner


class Job(Struct, frozen=True, kw_only=True):
    """An image to build for `target`.

    `image` is its table in the settings. `record` is the build record of the binary; empty if there is none, or if it
    is about another file. If `from_source`, the image's own build builds the binary.
    """

    target: Target
    image: Image
    record: Mapping[str, Any]
    from_source: bool
    provisioner: Provisioner

    @property
    def shell(self) -> Shell:
        """The shell that runs the engine."""
        return self.provisioner.shell

    @property
    def python(self) -> str | None:
        """The version of Python that the binary was built with (`3.11.7`); None if that is not recorded."""
        return str(self.record.get("python", "")).rpartition(" ")[2] or None

    @property
    def minor(self) -> str | None:
        """Major and minor of that version: `3.11`."""
        return ".".join(self.python.split(".")[:2]) if self.python else None

    @property
    def key(self) -> str:
        """The dotted name of its table, for errors."""
        return f"{self.target.key}.image"

    @property
    def file(self) -> Path:
        """The Dockerfile that is built."""
        return self.target.file("Dockerfile")

    @property
    def layout(self) -> Path:
        """The OCI layout that is written without an engine."""
        return self.target.file("oci")

    def built_with(self, platform: ImagePlatform) -> str | None:
        """The version of Python that Poetry chose the distributions of a platform for; None if it is not known."""
        of_machine = [each for each in self.target.platforms if each.markers["platform_machine"] == platform.machine]
        if self.target.platforms:
            return of_machine[0].markers["python_full_version"] if len(of_machine) == 1 else None
        return self.python

    @property
    def distribution(self) -> str | None:
        """The name of the project's distribution; None if the project ships as loose files."""
        project = self.target.project
        return project.name if project.package_mode else None


class BuiltImage(Struct, frozen=True, kw_only=True):
    """An image that was built: its id, its names, and the seconds that the build took, with its times.

    `description` and `base` are the engine's descriptions of the image and of its base, `python` is the base's Python.
    """

    identity: str
    tags: tuple[str, ...]
    description: Mapping[str, Any]
    base: Mapping[str, Any]
    python: ImagePython
    seconds: float
    times: Times

    @property
    def layers(self) -> tuple[str, ...]:
        """The digests of its layers above the base, lowest first."""
        return _layers(self.description)[len(_layers(self.base)) :]

    @property
    def added_bytes(self) -> int | None:
        """The bytes that it adds to the base; None if the engine does not say."""
        sizes = (self.description.get("Size"), self.base.get("Size"))
        return sizes[0] - sizes[1] if isinstance(sizes[0], int) and isinstance(sizes[1], int) else None


class ImageResult(Struct, frozen=True, kw_only=True):
    """The result of a job: the report of the container's smoke test, and the content of `NAME.image.json`."""

    report: SmokeReport
    json_value: Mapping[str, Any]


def _layers(description: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple((description.get("RootFS") or {}).get("Layers") or ())
