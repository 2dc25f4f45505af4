"""An image whose layers are on this machine, as its container is started from it."""

from __future__ import annotations

from msgspec import Struct

from nox_pex.image.base_image import ImagePython
from nox_pex.oci.image import LayerFile
from nox_pex.oci.image_config import ImageConfig


class ContainerImage(Struct, frozen=True, kw_only=True):
    """An image for one platform.

    `identity` names it in messages. `layers` are all of its layers, lowest first, of which the first `base_layers` are
    the base's; those above have no whiteouts. `python` is the Python in them.
    """

    identity: str
    config: ImageConfig
    layers: tuple[LayerFile, ...]
    base_layers: int
    python: ImagePython

    @property
    def added_bytes(self) -> int:
        """The compressed bytes of the layers above the base."""
        return sum(layer.descriptor.size for layer in self.layers[self.base_layers :])
