"""Show text from outside: visible as it is, on one line, and no command to a terminal or a CI system.

From outside come logs of programs and tools, answers of servers, names of files and processes, values in archives, and
the texts of exceptions. Inside nox-pex such text stays as it is. It is escaped where it leaves: `NoxPexError`, the
lines of a front end, JUnit and JSON. Secrets are masked before that. nox-pex's own text passes without a change, and so
does text that was escaped before.

Fact sources: the Unicode Character Database (general categories, Default_Ignorable_Code_Point), XML 1.0 section 2.2,
RFC 8259, TOML 1.0; for the commands, actions/runner (`ActionCommand.TryParse`, `TryParseV2`) and the documentation of
Azure Pipelines (`##vso[`), TeamCity (`##teamcity[`), GitLab (`section_start:`), Buildkite (`---`, `+++`, `~~~`,
`^^^ +++`) and Travis CI (`travis_fold:`). Jenkins marks its notes with an escape sequence.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Final

from nox_pex.system.lazy import pattern

LINE_BREAK: Final = f"\0{os.urandom(8).hex()}\0"
"""A line break in a message of nox-pex's own. Text from outside cannot contain it, because nobody can guess it."""


_ALWAYS_HIDDEN: Final = (
    "\x00-\x1f\x7f-\x9f"  # control characters, C0 and C1
    "\u2028\u2029"  # line and paragraph separators
    "\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff"  # surrogates and private use
    "\ufdd0-\ufdef\ufffe\uffff"  # noncharacters
    "\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # format
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\uffa0\U000e0000-\U000e0fff"  # other ignorable ones
)


_VARIATION_SELECTORS: Final = "\ufe00-\ufe0f"


_HIDDEN: Final = pattern(f"[{_ALWAYS_HIDDEN}\u200c\u200d{_VARIATION_SELECTORS}]")


_VARIATION: Final = pattern(f"[{_VARIATION_SELECTORS}]")


_COMMAND: Final = pattern(
    r"#(?=#[\w.-]*\[)"  # GitHub, Azure Pipelines, TeamCity: anywhere in a line
    r"|\A\s*:(?=:.*::)"  # GitHub, after white space too
    r"|\A(?=(?:---|\+\+\+|~~~|\^\^\^)\s)"  # Buildkite
    r"|section_(?:start|end)(?=:)|travis_(?:fold|time)(?=:)"  # GitLab, Travis CI
)
"""The part of a command after which a backslash breaks it."""


_IN_STRING: Final = pattern(
    r"(?<=#)#(?=[\w.-]*\[)|(?<=section_start):|(?<=section_end):|(?<=travis_fold):|(?<=travis_time):"
)
"""The character of a command that JSON and TOML escape in a string. The other commands begin a line."""


_SURROGATE: Final = pattern("[\ud800-\udfff]")


_SHORT: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


_UNDECODABLE: Final = range(0xDC80, 0xDD00)
"""The surrogates that stand for bytes which are not UTF-8 (PEP 383)."""


def shown(text: str) -> str:
    r"""Return `text` on one line, with everything invisible escaped (`\x1b`, `\n`, `\u202e`), and no CI command.

    A backslash breaks a command: `#\#[error]`. A byte that was not UTF-8 (PEP 383) is shown as `\xff`.
    """
    if not (text.isascii() and text.isprintable()):
        text = _replace(text, _as_shown)
    return _COMMAND.sub(r"\g<0>\\", text)


def log_line(line: str) -> str:
    """Return a line of a log as `shown` does. Tabs become spaces, because logs use them to indent."""
    return shown(line.expandtabs() if "\t" in line else line)


def log_lines(text: str) -> list[str]:
    r"""Return the lines of a log, not escaped. Only `\n`, `\r\n` and `\r` end a line."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def message(text: str) -> str:
    """Return a message as `shown` does, with its `LINE_BREAK`s as line breaks."""
    return "\n".join(map(shown, text.split(LINE_BREAK))) if LINE_BREAK in text else shown(text)


def json_text(value: object) -> str:
    """Return `value` as indented JSON that every reader accepts, with everything invisible as JSON's own escapes.

    A reader gets the same text back, except for lone surrogates, which JSON cannot carry: they are as `shown` has them.
    """
    return _without_commands(_replace(json.dumps(value, indent=2, ensure_ascii=False), _in_json)) + "\n"


def toml_string(text: str) -> str:
    """Return `text` as a string in TOML, with everything invisible as TOML's own escapes."""
    return _without_commands(_replace(json.dumps(text, ensure_ascii=False), _in_toml))


def _without_commands(text: str) -> str:
    """Return JSON or TOML with a character of each command escaped."""
    return _IN_STRING.sub(lambda match: _in_toml(match[0]), text)


def _replace(text: str, escape: Callable[[str], str]) -> str:
    """Return `text` with each hidden character as `escape` has it."""
    return _HIDDEN.sub(lambda match: match[0] if _joins(match) else escape(match[0]), text)


def _joins(match: re.Match[str]) -> bool:
    """Whether a hidden character is a part of a visible one, as in an emoji, in Persian or in the scripts of India.

    It is not next to ASCII: .NET ignores such characters when it compares text, so that GitHub's runner may find `##[`
    with one in it.
    """
    character, start = match[0], match.start()
    before, after = match.string[max(0, start - 2) : start], match.string[start + 1 : start + 2]
    if _VARIATION.match(character):
        return _is_visible(before[-1:])
    if character not in "\u200c\u200d":
        return False
    return _is_visible(after) and _is_visible(before[:1] if _VARIATION.match(before[-1:]) else before[-1:])


def _is_visible(character: str) -> bool:
    """Whether this is a visible character that is not ASCII."""
    return character > "\xa8" and not _HIDDEN.match(character)


def _as_shown(character: str) -> str:
    code = ord(character)
    if code in _UNDECODABLE:
        code -= 0xDC00
    if code < 0x100:  # noqa: PLR2004  # the range of two hexadecimal digits
        return _SHORT.get(character, f"\\x{code:02x}")
    return _in_toml(character)


def _in_toml(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004  # the range of four digits


def _in_json(character: str) -> str:
    if character == "\n":  # between the values: JSON escapes those in strings
        return character
    return f"\\{_as_shown(character)}" if _SURROGATE.match(character) else json.dumps(character)[1:-1]
