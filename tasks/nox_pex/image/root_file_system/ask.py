"""Ask the Python of an image in a root file system made of its layers."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from nox_pex.image.base_image import ImagePython
from nox_pex.oci.image import LayerFile
from nox_pex.oci.image_config import ImageConfig
from nox_pex.tools.cache import Caches


class PythonAnswer(Struct, frozen=True, kw_only=True):
    """The Python that ran; or None, and the reason why this machine could not run it."""

    python: ImagePython | None = None
    reason: str = ""


def ask_python(
    layers: Sequence[LayerFile], config: ImageConfig, *, image: str, executable: str, caches: Caches
) -> PythonAnswer:
    """Run `executable`, a path in the image, and return which Python it says that it is.

    It runs as nobody, without a network, on a read-only root. `image` names the image in errors. Raises `NoxPexError`:
    `image-python` if it runs but does not say what it is, `image-base` if the layers cannot be unpacked.
    """
    raise NotImplementedError
