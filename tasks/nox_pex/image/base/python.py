"""Find the Python of an image in its layers, without running it."""

from __future__ import annotations

from nox_pex.image.base_image import ImagePython
from nox_pex.oci.image import BaseImage
from nox_pex.platforms.platform import Platform
from nox_pex.tools.cache import Caches


def python_of(base: BaseImage, *, minor: str | None, key: str, caches: Caches) -> ImagePython:
    """Return the Python of `base`: Python `minor` (`3.11`) if the image has it, else `python3` or `python` on its PATH.

    `key` is the dotted key of the setting that names the image. Raises `NoxPexError`: `image-python` if there is no
    Python, `image-base` if a layer cannot be read, or if the Python is for another architecture than the image.
    """
    raise NotImplementedError


def platform_of(python: ImagePython, name: str) -> Platform:
    """Return the tags and markers of `python`, as `nox -s platform` prints them there; `name` is for messages."""
    raise NotImplementedError
