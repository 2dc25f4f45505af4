"""What is a secret, and how it is kept out of everything that is printed or written.

A secret is a password or token in a URL, the value of an environment variable whose name says so or that the
`secrets` setting lists, and a private key.
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
"""Characters. A shorter value (`1`, `on`, `test`) would mask half of every log, and keeps nothing secret."""


def is_secret_name(name: str) -> bool:
    """Whether an environment variable of this name holds a secret (`GITHUB_TOKEN`, `AWS_SECRET_ACCESS_KEY`)."""
    return name != "PWD" and _SECRET_NAME.search(name) is not None  # the shell's PWD is where it stands


def url_password(text: str) -> Iterable[str]:
    """The passwords, or the lone tokens, of all URLs in `text`."""
    for match in _URL_USERINFO.finditer(text):
        user, colon, password = match["userinfo"].partition(":")
        yield password if colon else user


def public_url(url: str) -> str:
    """`url` without its password or token; the user of SSH (`git@`) is part of the address, and stays."""
    return _URL_USERINFO.sub(_public_userinfo, url)


def _public_userinfo(match: re.Match[str]) -> str:
    user = match["userinfo"].partition(":")[0]
    return f"{match['scheme']}{user}@" if match["scheme"].endswith("ssh://") else match["scheme"]


class Secrets(Struct, frozen=True, kw_only=True):
    """The secrets known to this run: `values`, longest first."""

    values: tuple[str, ...] = ()

    @classmethod
    def from_values(cls, values: Iterable[str]) -> Secrets:
        """Secrets of these values, in the order in which they are masked: a value that holds another comes first."""
        return cls(values=tuple(sorted(set(values), key=lambda value: (-len(value), value))))

    @classmethod
    def of(cls, environ: Mapping[str, str], listed: Iterable[str] = ()) -> Secrets:
        """The secrets in `environ`: by the name of the variable, by `listed` names, and the passwords of its URLs."""
        names = frozenset(listed)
        values = {value for name, value in environ.items() if name in names or is_secret_name(name)}
        values |= {password for value in environ.values() for password in url_password(value)}
        return cls.from_values(value for value in values if len(value) >= _SHORTEST)

    def mask(self, text: str) -> str:
        """`text` with every secret replaced by `MASK`. URLs keep their user's name where a password follows it."""
        text = _PRIVATE_KEY.sub(MASK, text)
        for value in self.values:
            text = text.replace(value, MASK)
        return _URL_USERINFO.sub(_mask_userinfo, text)


def _mask_userinfo(match: re.Match[str]) -> str:
    user, colon, _ = match["userinfo"].partition(":")
    return f"{match['scheme']}{user}:{MASK}@" if colon else f"{match['scheme']}{MASK}@"
