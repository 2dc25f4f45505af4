"""Check an image in a root file system made of its layers, with the smoke test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from nox_pex.image.job import Job
from nox_pex.image.root_file_system.image import ContainerImage
from nox_pex.settings.smoke import Smoke
from nox_pex.smoke.plan import Options
from nox_pex.smoke.report import SmokeReport


def check_root_file_system(
    job: Job,
    image: ContainerImage,
    *,
    file: Path,
    smoke: Smoke,
    environ: Mapping[str, str],
    options: Options,
    say: Callable[[str], None],
) -> SmokeReport:
    """Run the image as its user, on a read-only root with a tmpfs, and make all checks of `smoke`.

    `file` is the layout that is reported. The result is that of `check_container`. It is a skip if the image is for
    another machine, or if the kernel refuses to confine the program. Raises `NoxPexError`: `config`, `usage`,
    `image-base` if the layers cannot be unpacked.
    """
    raise NotImplementedError
