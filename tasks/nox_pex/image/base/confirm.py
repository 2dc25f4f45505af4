"""Let the base's own Python confirm what was read from its layers, if this machine can run it."""

from __future__ import annotations

import contextlib

import msgspec

from nox_pex.image.base_image import ImagePython
from nox_pex.image.job import Job
from nox_pex.image.root_file_system.ask import ask_python
from nox_pex.oci import root_tree
from nox_pex.oci.image import BaseImage
from nox_pex.system import files


def confirmed(found: ImagePython, base: BaseImage, job: Job) -> ImagePython | None:
    """Return what the Python of `base` says that it is; None if it cannot run here.

    `found` is what was read from the layers. An answer is remembered by the layers. Raises `NoxPexError`:
    `image-python` if it runs but does not work.
    """
    cache = job.target.state / "images.json"
    known = files.read_json(cache)
    entry = f"{root_tree.key_of(base.layers)} {found.executable}"
    with contextlib.suppress(msgspec.ValidationError, UnicodeError):
        return msgspec.convert(known.get(entry), ImagePython)
    answer = ask_python(
        base.layers, base.config, image=base.name, executable=found.executable, caches=job.provisioner.caches
    )
    if answer.python is not None:
        files.write_json(cache, {**known, entry: msgspec.structs.asdict(answer.python)})
    return answer.python
