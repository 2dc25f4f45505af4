"""The results of `smoke` and `verify` in `dist`, and their digests in the private state.

Anybody may change the files in `dist`. A result is only a proof if this checkout wrote it, and nobody changed it since.
"""

from __future__ import annotations

import hashlib
from typing import Final

from nox_pex.pex.target import Target
from nox_pex.system import files

_KEY: Final = "sha256"


def write(target: Target, step: str, text: str) -> None:
    """Write the result of `step` for `target`, `dist/NAME.STEP.json`, and keep its digest.

    Of two runs at the same time, the result of the last one may be no proof.
    """
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    files.write_json(target.state_file(f"{step}.json"), {_KEY: digest})
    files.write_text(target.file(f"{step}.json"), text)


def is_own(target: Target, step: str, content: bytes) -> bool:
    """Whether `content` is the last result of `step` for `target` that `write` wrote in this checkout."""
    return files.read_json(target.state_file(f"{step}.json")).get(_KEY) == hashlib.sha256(content).hexdigest()
