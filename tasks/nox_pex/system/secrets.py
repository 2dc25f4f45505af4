"""Secrets, and how they are kept out of everything that nox-pex prints or writes.

Secrets are: the password or token in a URL; the value of an environment variable with a name such as `GITHUB_TOKEN`, or
one that the setting `secrets` lists; a private key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

MASK: Final = "****"


_SECRET_NAME: Final = re.compile(
    r"TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|API_?KEY|(?:^|_)(?:KEY|PASS|PWD)S?(?:_|$)", re.IGNORECASE
)


_URL_USERINFO: Final = re.compile(r"(?P<scheme>\b[a-zA-Z][a-zA-Z0-9+.-]*://)(?P<userinfo>[^\s/@'\"<>]+)@")


_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN (?P<kind>[A-Z ]*PRIVATE KEY)-----.*?(?:-----END (?P=kind)-----|\Z)", re.DOTALL
)


_SHORTEST: Final = 5
"""Characters of the shortest secret. Masking a shorter value (`1`, `on`, `test`) would make a log unreadable."""


def is_secret_name(name: str) -> bool:
    """Whether an environment variable of this name holds a secret (`GITHUB_TOKEN`, `AWS_SECRET_ACCESS_KEY`)."""
    return name != "PWD" and _SECRET_NAME.search(name) is not None  # PWD is the shell's working directory


def url_passwords(text: str) -> Iterable[str]:
    """Yield the password of each URL in `text`, or its token if the URL has no user."""
    for match in _URL_USERINFO.finditer(text):
        user, colon, password = match["userinfo"].partition(":")
        yield password if colon else user


def public_url(url: str) -> str:
    """Return `url` without its password or token; the user of SSH (`git@`) is part of the address, and stays."""
    return _URL_USERINFO.sub(_public_userinfo, url)


def _public_userinfo(match: re.Match[str]) -> str:
    user = match["userinfo"].partition(":")[0]
    return f"{match['scheme']}{user}@" if match["scheme"].endswith("ssh://") else match["scheme"]


class Secrets(Struct, frozen=True, kw_only=True):
    """The `values` of the secrets that this run knows, longest first."""

    values: tuple[str, ...] = ()

    @classmethod
    def from_values(cls, values: Iterable[str]) -> Secrets:
        """Return secrets of these values, sorted so that a value which contains another is masked before it."""
        return cls(values=tuple(sorted(set(values), key=lambda value: (-len(value), value))))

    @classmethod
    def of(cls, environ: Mapping[str, str], listed: Iterable[str] = ()) -> Secrets:
        """Return the secrets in `environ`: variables with a secret's name, those `listed`, and passwords in URLs.

        A value of fewer than five characters is no secret.
        """
        names = frozenset(listed)
        values = {value for name, value in environ.items() if name in names or is_secret_name(name)}
        values |= {password for value in environ.values() for password in url_passwords(value)}
        return cls.from_values(value for value in values if len(value) >= _SHORTEST)

    def mask(self, text: str) -> str:
        """Return `text` with `MASK` in place of every secret; the user before a URL's password stays."""
        text = _PRIVATE_KEY.sub(MASK, text)
        for value in self.values:
            text = text.replace(value, MASK)
        return _URL_USERINFO.sub(_mask_userinfo, text)


def _mask_userinfo(match: re.Match[str]) -> str:
    user, colon, _ = match["userinfo"].partition(":")
    return f"{match['scheme']}{user}:{MASK}@" if colon else f"{match['scheme']}{MASK}@"
