"""Search files, and archives within archives, for a text."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator


def find_text(content: bytes, name: str, text: str) -> Iterator[str]:
    """The places of `text` in the file `name`, and in the names and contents of its members, at every depth.

    A member is found uncompressed, in every archive within an archive: `outer.pex!inner.whl!module.py`.
    """
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from find_text(member.encode(), f"{name}!{member} (its name)", text)
                yield from find_text(archive.read(member), f"{name}!{member}", text)
        # The bytes in front of the archive, such as its shell script.
        content = content[: content.index(b"PK\x03\x04")]
    if text.encode() in content:
        yield name
