"""Small scies, written in the test as scie-jump writes them: launcher, files, lift manifest."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

JUMP: Final = b"#!/bin/sh\nexit\n"
PYTHON: Final = "cpython-3.11.13+20260101-x86_64-unknown-linux-gnu-install_only.tar.gz"


def zipped(comment: bytes = b"") -> bytes:
    """A ZIP archive, which takes the place of a PEX."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("PEX-INFO", "{}")
        archive.comment = comment
    return buffer.getvalue()


def entry(name: str, content: bytes, **keys: Any) -> dict[str, Any]:
    """A file in the lift manifest."""
    return {"name": name, "size": len(content), "hash": hashlib.sha256(content).hexdigest(), "type": "blob", **keys}


def write_scie(
    path: Path,
    pex: bytes,
    *,
    name: str = "shop",
    python: bytes = b"a portable Python",
    lazy: bool = False,
    changes: Mapping[str, Any] = {},
    more: Mapping[str, Any] = {},
    tail: bytes | None = None,
) -> Path:
    """Write a scie of the bytes `pex`.

    `changes` replace keys of the PEX in the manifest, `more` are top-level keys of it, `tail` replaces the manifest.
    """
    files = [
        entry(PYTHON, python, key="python-distribution", **({"source": "fetch"} if lazy else {})),
        entry("configure-binding.py", b"print()\n"),
        {**entry(f"{name}.pex", pex, key="pex"), **changes},
    ]
    lift = {"name": name, "files": files, "boot": {"commands": {"": {"exe": "{python}"}}}}
    manifest = {"scie": {"lift": lift, "jump": {"size": len(JUMP), "version": "1.13.0"}}, **more}
    end = b"\n" + json.dumps(manifest, separators=(",", ":")).encode() + b"\n" if tail is None else tail
    path.write_bytes(b"".join((JUMP, b"" if lazy else python, b"print()\n", pex, end)))
    path.chmod(0o755)
    return path
