"""Write the layers that an image without an engine has above its base."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from nox_pex.distributions import pex_file
from nox_pex.distributions.pex_file import PexError
from nox_pex.errors import NoxPexError
from nox_pex.image.content import bytecode, file_form
from nox_pex.image.content.bytecode import Compiler
from nox_pex.image.content.open_pex import OpenPex
from nox_pex.image.content.request import ContentRequest, ImageContent
from nox_pex.image.content.unpacked import Unpacked
from nox_pex.image.dockerfile import PEX_ROOT
from nox_pex.oci.layer_store import LayerStore, StoredLayer
from nox_pex.system import os_errors, plain_paths
from nox_pex.system.command import Shell
from nox_pex.tools.cache import Caches


def write_content(
    request: ContentRequest, *, caches: Caches, shell: Shell, in_base: Compiler | None = None
) -> ImageContent:
    """Return the content for an image of the binary, with its layers as files in the user's cache.

    `in_base` is the base's own Python, if this machine can run it. It compiles, unless one of this machine has exactly
    its version: so the bytecode does not depend on the Pythons of the machine.

    The layers have the same diff ids on any machine. A layer that is known already is neither read nor compressed
    again. Raises `PexError` if the binary cannot be read, and `NoxPexError`: `image-build`, `disk-full`,
    `cache-unsafe`.
    """
    store = LayerStore(caches=caches)
    if request.form == "file":
        file = f"{request.root}/{request.file}"
        return ImageContent(
            **_parts([(request.file, file_form.layer(request, store))]),
            entrypoint=(file,) if request.starts_directly else (request.python.executable, file),
            env={"PEX_ROOT": PEX_ROOT},
            bytecode=None,
            notes=(),
        )
    if request.binary.is_dir():
        msg = 'form = "unpacked" needs layout = "zipapp"'
        raise PexError(msg)
    if request.python.implementation != "CPython":
        problem = f"the base has {request.python.implementation}, for which only an engine can unpack {request.file}"
        raise NoxPexError("image-build", problem, 'use form = "file", or a base with CPython')
    compiler: Compiler | None = bytecode.find_compiler(request.python, store=store, shell=shell)
    if in_base is not None and (compiler is None or compiler.version != in_base.version):
        compiler = in_base
    with (
        pex_file.reporting_damage(),
        zipfile.ZipFile(request.binary) as archive,
        plain_paths.plain_directory() as scratch,
        os_errors.writing("the files of the image", place=scratch),
    ):
        pex = OpenPex(archive=archive, scratch=scratch)
        unpacked = Unpacked(request=request, pex=pex, store=store, shell=shell, compiler=compiler)
        layers = list(unpacked.layers())
        notes = [*unpacked.installation.collisions(), *_notes(request, compiler)]
    return ImageContent(
        **_parts(layers),
        entrypoint=(f"{request.root}/pex",),
        env={},
        bytecode=compiler.version if compiler is not None else None,
        notes=tuple(notes),
    )


def _parts(layers: Sequence[tuple[str, StoredLayer]]) -> dict[str, Any]:
    """Return the values of an `ImageContent` that follow from its layers."""
    return {
        "layers": tuple(stored.layer for _, stored in layers),
        "titles": tuple(title for title, _ in layers),
        "compressors": tuple(dict.fromkeys(stored.compressor for _, stored in layers)),
    }


def _notes(request: ContentRequest, compiler: Compiler | None) -> Iterator[str]:
    minor = request.python.minor
    if compiler is None:
        yield f"no bytecode: Python {minor} is not on this machine, so the image compiles its modules at each start"
    elif compiler.version != request.python.version:
        yield f"bytecode by Python {compiler.version}; the base has {request.python.version}"
