"""The request for the content of an image without an engine, and the content that was made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from nox_pex.image.base_image import ImagePython
from nox_pex.image.dockerfile import APP
from nox_pex.oci.image import LayerFile
from nox_pex.platforms.platform import Platform

_MOST: Final = 100
"""Layers that nox-pex adds to a base at most."""


_MOST_OF_AN_IMAGE: Final = 125
"""Layers of an image with those of its base at most (`maxLayerDepth` in moby's layer store)."""


_FEWEST: Final = 3
"""The environment, the distributions, the project's own code."""


class ContentRequest(Struct, frozen=True, kw_only=True):
    """The binary to put into an image, and how.

    `name` is the binary's name and `file` the name of its file (`service.pex`). `python` is the base's Python,
    `platform` the platform of the image if the binary is for several (`complete-platforms`), else None. `project` is
    the name of the project's distribution, or None if the project ships as loose files. `starts_directly` says that
    the container starts the file itself, and not `python` with the file as its argument; it counts for the form `file`
    alone. `base_layers` is the number of layers of the base. `root` is the directory in the image that gets the binary.
    """

    binary: Path
    form: Literal["file", "unpacked"]
    name: str
    file: str
    python: ImagePython
    platform: Platform | None = None
    project: str | None = None
    starts_directly: bool = False
    base_layers: int = 0
    root: str = APP

    @property
    def most_layers(self) -> int:
        """The layers that the form `unpacked` adds to the base at most."""
        return max(_FEWEST, min(_MOST, _MOST_OF_AN_IMAGE - self.base_layers))


class ImageContent(Struct, frozen=True, kw_only=True):
    """The layers above the base, the lowest first, and the start of the container.

    In the form `unpacked` the last layer is the project's own code. `entrypoint` is the command that the container
    starts, without its arguments. `env` are variables that the form needs. `titles` name the content of each layer, for
    the image's history. `compressors` name the libraries that compressed them (`zlib 1.2.13`). `bytecode` is the
    version of the Python that compiled, None if none did. `notes` are lines for the user.
    """

    layers: tuple[LayerFile, ...]
    titles: tuple[str, ...]
    entrypoint: tuple[str, ...]
    env: Mapping[str, str]
    compressors: tuple[str, ...]
    bytecode: str | None
    notes: tuple[str, ...]
