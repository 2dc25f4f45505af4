"""Secrets that are recognised by the text around them: in URLs, headers and private keys. Pure."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import unquote

from nox_pex.system.lazy import pattern

MASK: Final = "****"


_SECRET_WORDS: Final = (
    *("TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "PASSCODE", "CREDENTIAL", "COOKIE", "AUTHORIZATION"),
    "BEARER",
)
"""A name with one of these, anywhere, is that of a secret."""


_SECRET_KEYS: Final = tuple(
    f"{owner}{between}KEY"
    for owner in ("API", "ACCESS", "PRIVATE", "SIGNING", "ENCRYPTION", "DEPLOY", "ACCOUNT", "MASTER", "SSH", "GPG")
    for between in ("_", "")
)


_SECRET_PARTS: Final = frozenset(
    f"{part}{plural}" for part in ("KEY", "PASS", "PWD", "PW", "PAT", "OTP", "JWT") for plural in ("", "S")
)
"""A name with one of these, between hyphens or underscores, is that of a secret."""


_SECRET_ENDS: Final = tuple(f"{before}AUTH{end}" for before in "_-" for end in ("", "_CONFIG", "_HEADER", "_JSON"))
"""A name that ends with one of these, or begins where its hyphen or underscore is, is that of a secret."""


_SLASHES: Final = pattern(r":(?:\\*/){2}")


_SCHEME: Final = pattern(r"[a-zA-Z][a-zA-Z0-9+.-]*$")


_IN_TEXT: Final = pattern(r"[^\s'\"<>]{0,4096}")
"""The rest of a URL in a text."""


_WHOLE: Final = pattern(r"\S*")
"""The rest of a URL that is a whole value, and may have quotes in its password."""


_HOST: Final = pattern(r"@(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9_.-]*)(?::\d+)?(?:[/?#\\,;)]|$)")


_PORT: Final = pattern(r"\d{0,5}(?:[/?#]|$)")


_QUERY: Final = pattern(
    r"(?P<before>(?:[?&;]|%3[Ff]|%26|\\+u0026)(?P<name>[A-Za-z0-9_.\[\]-]{1,64})(?:=|%3[Dd]))"
    r"(?P<value>(?:(?!%26|\\+u0026)[^\s&;'\"<>#])+)"
)


_QUERY_NAME: Final = pattern(r"(?:X-(?:Amz|Goog)-)?(?:Sig|Signature)|auth|pw|AWSAccessKeyId", re.IGNORECASE)
"""Names of query parameters that hold secrets, apart from those that a variable could have."""


_HEADER_NAME: Final = (
    r"(?P<name>(?<![A-Za-z0-9-])(?:(?:Proxy-)?Authorization|(?:Set-)?Cookie2?"
    r"|(?:[A-Za-z0-9]{1,32}-){1,4}(?:Key|Token|Secret|Password)))"
)


_AUTH_SCHEME: Final = r"(?P<kind>(?:Bearer|Basic|Digest|Token|ApiKey|Negotiate|AWS4-HMAC-SHA256)\s+)?"


_QUOTED_HEADER: Final = pattern(
    rf"{_HEADER_NAME}(?P<between>\\*(?P<quote>[\"'])\s*[:,=]\s*b?\\*(?P=quote)){_AUTH_SCHEME}"
    r"(?:(?!\\*(?P=quote))[^\r\n])+",
    re.IGNORECASE,
)
"""A header in JSON, in a dictionary, or in a list of pairs."""


_HEADER: Final = pattern(
    rf"{_HEADER_NAME}(?P<between>\s*:\s*(?:\\*[\"'])?){_AUTH_SCHEME}(?:(?!\\+[rn])[^\r\n])+", re.IGNORECASE
)


_HEADER_WORDS: Final = ("authorization", "cookie", "-key", "-token", "-secret", "-password")
"""A text without these has no header that `_HEADER` finds. A search for them is many times as fast."""


_SCHEME_AND_CREDENTIALS: Final = pattern(
    r"\b(?P<kind>(?:Bearer|Basic)\s+)(?=[A-Za-z._~+/-]*[0-9=])(?P<value>[A-Za-z0-9._~+/-]{8,}=*)", re.IGNORECASE
)


_PRIVATE_KEY: Final = pattern(
    r"-----BEGIN (?P<kind>[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?)-----"
    r"(?:.{0,32768}?-----END (?P=kind)-----"
    r"|(?:[\s\\rn|>\"',+]*(?:(?:Proc-Type|DEK-Info): [^\r\n\\]*|[A-Za-z0-9+/=]{16,}))*"
    r"(?:[\s\\rn|>]+[A-Za-z0-9+/]{1,15}={1,2})?)",
    re.DOTALL,
)


_COOKIES: Final = pattern(r"[\w.-]{1,64}=[^;\s]{1,4096}(?:; ?[\w.-]{1,64}=[^;\s]{0,4096}){0,32};?")


_COOKIE: Final = 8
"""Characters. A shorter value of a cookie may be a word (`theme=dark`)."""


_SHORTEST_BASE64: Final = 16
"""Characters. A shorter value may be base64 by chance."""


_END_OF_KEY: Final = pattern(r"-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")


_FULL_KEY_LINE: Final = pattern(r"[A-Za-z0-9+/]{40,}")


_LAST_KEY_LINE: Final = pattern(r"[A-Za-z0-9+/]{40,}|^[^A-Za-z0-9+/=]*[A-Za-z0-9+/]*={0,2}[^A-Za-z0-9+/=]*$")


_KEY_LINE: Final = pattern(
    r"[A-Za-z0-9+/=]{16,}|^[^A-Za-z0-9+/=]*[A-Za-z0-9+/]*={0,2}[^A-Za-z0-9+/=]*$|^\W*(?:Proc-Type|DEK-Info): "
)


def is_secret_name(name: str) -> bool:
    """Whether an environment variable of this name holds a secret (`GITHUB_TOKEN`, `AWS_SECRET_ACCESS_KEY`)."""
    # Without a regular expression: its compilation would take longer, in every run, than this for all variables.
    upper = name.upper()
    return name != "PWD" and (  # PWD is the shell's working directory
        any(word in upper for word in _SECRET_WORDS)
        or ("KEY" in upper and any(key in upper for key in _SECRET_KEYS))
        or not _SECRET_PARTS.isdisjoint(upper.replace("-", "_").split("_"))
        or f"_{upper}".endswith(_SECRET_ENDS)
    )


def url_passwords(text: str) -> Iterator[str]:
    """Yield the password of each URL in `text`, or its token if the URL has no user; decoded too if it is encoded.

    The user of SSH (`git@`) is no token.
    """
    found: dict[str, None] = {}
    for end in (_IN_TEXT, _WHOLE) if len(text.split()) == 1 else (_IN_TEXT,):
        for scheme, userinfo in _userinfos(text, end):
            user, colon, password = userinfo.partition(":")
            secret = password if colon else "" if scheme in _SSH else user
            found.update(dict.fromkeys((secret, unquote(secret))))
    yield from (secret for secret in found if secret)


def public_url(url: str) -> str:
    """Return `url` without its password or token; the user of SSH (`git@`) is part of the address, and stays."""
    return _with_userinfo(url, "")


def mask_named(text: str) -> str:
    """Mask what a URL or a header says to be secret: userinfo, query parameters, credentials, cookies."""
    if "@" in text and "/" in text:
        text = _with_userinfo(text, MASK)
    if "=" in text or "%3" in text:
        text = _QUERY.sub(_mask_query, text)
    lower = text.lower()
    if any(word in lower for word in _HEADER_WORDS):
        for header in (_QUOTED_HEADER, _HEADER):
            text = header.sub(lambda match: f"{match['name']}{match['between']}{match['kind'] or ''}{MASK}", text)
    if "bearer" in lower or "basic" in lower:
        text = _SCHEME_AND_CREDENTIALS.sub(rf"\g<kind>{MASK}", text)
    return text


def mask_private_keys(text: str) -> str:
    """Mask every private key, also one of which the beginning or the end is cut off."""
    if "PRIVATE KEY" not in text:
        return text
    text = _PRIVATE_KEY.sub(MASK, text)
    while (end := _END_OF_KEY.search(text)) is not None:  # its beginning is cut off
        start, line = end.start(), _LAST_KEY_LINE
        while start and line.search(text[(before := text.rfind("\n", 0, start - 1) + 1) : start]):
            start, line = before, _FULL_KEY_LINE
        text = text[:start] + MASK + text[end.end() :]
    return text


def in_private_key(lines: Sequence[str]) -> bool:
    """Whether the last of `lines` is within a private key that is not complete."""
    last = max((at for at, line in enumerate(lines) if "PRIVATE KEY" in line and "-----BEGIN " in line), default=None)
    if last is None or any(_END_OF_KEY.search(line) for line in lines[last:]):
        return False
    return all(_KEY_LINE.search(line) for line in lines[last + 1 :])


def credentials(value: str) -> Iterator[str]:
    """Yield the credentials in the value of an `Authorization` header: the token, or the password of Basic."""
    kind, _, given = value.strip().partition(" ")
    if kind.lower() in ("bearer", "token", "apikey", "basic") and given:
        yield given.strip()
        if kind.lower() == "basic":
            with contextlib.suppress(ValueError):
                yield base64.b64decode(given.strip()).decode("utf-8", "replace").partition(":")[2]


def cookies(value: str) -> Iterator[str]:
    """Yield the values in a `Cookie` header that are too long for a word; nothing if `value` is no such header."""
    if _COOKIES.fullmatch(value.strip()):
        yield from (found for pair in value.split(";") if len(found := pair.strip().partition("=")[2]) >= _COOKIE)


def decoded(value: str) -> Iterator[str]:
    """Yield the text that `value` is the base64 of, and `value` with its escaped line breaks as such."""
    if "\\n" in value:
        yield value.replace("\\r", "").replace("\\n", "\n")
    if len(value) >= _SHORTEST_BASE64:
        with contextlib.suppress(ValueError):  # `binascii.Error` and `UnicodeDecodeError` are such
            text = base64.b64decode("".join(value.split()), validate=True).decode("utf-8")
            if all(character.isprintable() or character.isspace() for character in text):
                yield text


_SSH: Final = ("ssh", "git+ssh", "ssh+git")


def _scheme(text: str, end: int) -> str:
    """Return the scheme of a URL that ends at the position `end` of `text`, in lower case."""
    match = _SCHEME.search(text[max(0, end - 32) : end])
    return match[0].lower() if match else ""


def _userinfos(text: str, end: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Yield scheme and userinfo of each URL in `text` that has a userinfo, in each way to read it."""
    if "@" not in text:  # most texts: the expressions for the others need not even be compiled
        return
    for match in _SLASHES.finditer(text):
        rest = end.match(text, match.end())
        if userinfo := _userinfo(rest):
            scheme = _scheme(text, match.start())
            yield scheme, userinfo
            if rest is not None and (longer := _userinfo_before_host(rest[0])) != userinfo:
                yield scheme, longer


def _with_userinfo(text: str, mask: str) -> str:
    """Return `text` with `mask` in place of the password or token of each URL.

    With an empty `mask` the whole userinfo goes, apart from the user of SSH.
    """
    parts, done = [], 0
    for match in _SLASHES.finditer(text):
        if match.start() < done or not (userinfo := _userinfo(_IN_TEXT.match(text, match.end()))):
            continue
        user, colon, _ = userinfo.partition(":")
        ssh = _scheme(text, match.start()) in _SSH
        shown = (f"{user}:{mask}@" if colon else f"{user if ssh else mask}@") if mask else f"{user}@" if ssh else ""
        parts += [text[done : match.end()], shown]
        done = match.end() + len(userinfo) + 1
    return "".join(parts) + text[done:]


def _userinfo(match: re.Match[str] | None) -> str:
    """Return the userinfo of a URL without its scheme; empty if it has none.

    RFC 3986 ends it at the last `@` before the first `/`, `?` or `#`. Users write passwords with these characters too,
    so without such an `@` it ends at the last `@` before a host, unless a port is in front.
    """
    rest = "" if match is None else match[0]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    at = authority.rfind("@")
    if at >= 0:
        return authority[:at]
    if ":" not in authority or rest.startswith("[") or _PORT.match(rest.partition(":")[2]):
        return ""
    return _userinfo_before_host(rest)


def _userinfo_before_host(rest: str) -> str:
    """Return the part of a URL before the last `@` that a host follows."""
    found = [each.start() for each in _HOST.finditer(rest)]
    return rest[: found[-1]] if found else ""


def _mask_query(match: re.Match[str]) -> str:
    name = match["name"]
    secret = is_secret_name(name) or _QUERY_NAME.fullmatch(name)
    return f"{match['before']}{MASK}" if secret else match[0]
