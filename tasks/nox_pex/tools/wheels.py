"""The wheels of the pinned tools with their hashes: the files that uv and pip install by `requirements/*.txt`.

Those files have the hashes of all files of a tool, without their names. A test compares both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

WHEELS: Final[Mapping[str, str]] = {
    "pex-2.105.2-py2.py35.py36.py37.py38.py39.py310.py311-none-any.whl": (
        "5a4d73fbeab30ddf70e360971cb19b9fa80b2a29cfe83e786215fcdd5ef1af9d"
    ),
    "pex-2.105.2-py3.py312-none-any.whl": "1330f9a145410ea9588703a56206638af7f376a583cdaedabf4e04e598573bc5",
    "poetry-2.5.1-py3-none-any.whl": "3f7910abc667ce0c33a67e306baf017acdec1c8eeec4aa64d176e530d8338a61",
}
"""The SHA-256 of each wheel, by its file name."""
