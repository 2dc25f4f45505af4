"""Short forms of the texts that programs send, on one line. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, Final

SHOWN: Final = 160
"""The number of characters that are shown of an expected or an actual text."""


_WHITE_SPACE: Final = re.compile(r"[ \t\r\n]+")
"""Other white space (U+0085, U+2028, …) is shown as it is, escaped."""


def short_json(value: Any) -> str:
    """Return a value as JSON on one line, cut after 160 characters."""
    return shorten(json.dumps(value, ensure_ascii=False, default=str))


def shorten(text: str) -> str:
    """Return a text on one line, cut after 160 characters."""
    line = one_line(text)
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"


def short_json_of_end(text: str) -> str:
    """Return a text as JSON on one line, cut at its beginning, because a traceback names the error at its end."""
    line = one_line(text)
    return json.dumps(line if len(line) <= SHOWN else f"…{line[-SHOWN:]}", ensure_ascii=False)


def without_middle(text: str, most: int) -> str:
    """Return a text of at most `most` characters: the middle of a longer one is left out."""
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[: most - 1 - half]}…{text[-half:]}"


def one_line(text: str) -> str:
    """Return a text with its line breaks and indentation as single spaces, and lone surrogates escaped."""
    line = _WHITE_SPACE.sub(" ", text).strip(" ")
    return line.encode("utf-8", "backslashreplace").decode("utf-8")
