"""A small wheel with everything that pex treats specially: it shows whether nox-pex lays out wheels as a pex does."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Final

from nox_pex.distributions.record import encode_digest, record_text

NAME: Final = "nox-pex-probe"


VERSION: Final = "1"


FILE_NAME: Final = "nox_pex_probe-1-py3-none-any.whl"


_INFO: Final = "nox_pex_probe-1.dist-info"


_DATA: Final = "nox_pex_probe-1.data"


_METADATA: Final = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n"


_WHEEL: Final = "Wheel-Version: 1.0\nGenerator: nox-pex\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


_ENTRY_POINTS: Final = (
    "[console_scripts]\nprobe = nox_pex_probe:main\n\n[gui_scripts]\nprobe-gui = nox_pex_probe.data:main.run\n"
)


_FILES: Final = {
    "nox_pex_probe/__init__.py": "def main(): ...\n",
    "nox_pex_probe/data/__init__.py": "main = None\n",
    "nox_pex_probe/data/text.txt": "0123456789 " * 20_000,
    "nox_pex_probe-module.py": "",
    f"{_DATA}/scripts/probe-script": "#!python\nprint()\n",
    f"{_DATA}/scripts/probe-shell": "#!/bin/sh\nexit 0\n",
    f"{_DATA}/headers/probe.h": "\n",
    f"{_DATA}/data/share/probe": "\n",
    f"{_INFO}/METADATA": _METADATA,
    f"{_INFO}/WHEEL": _WHEEL,
    f"{_INFO}/entry_points.txt": _ENTRY_POINTS,
}


def write(path: Path) -> None:
    """Write the wheel to `path`; always the same bytes."""
    record = f"{_INFO}/RECORD"
    rows = [
        (name, f"sha256={encode_digest(hashlib.sha256(text.encode()).digest())}", str(len(text)))
        for name, text in _FILES.items()
    ]
    files = {**_FILES, record: record_text([*rows, (record, "", "")])}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if "/scripts/" in name else 0o100644) << 16
            archive.writestr(entry, text)
