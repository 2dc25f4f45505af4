"""Secrets, and how they are kept out of everything that nox-pex prints or writes.

Secrets are: the password or token in a URL; the value of an environment variable with a name such as `GITHUB_TOKEN`, or
one that the setting `secrets` lists; a private key. `secret_forms` knows the forms in which a program may print them,
`secret_patterns` finds those that are recognised by the text around them.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from nox_pex.system import outside_text, secret_patterns
from nox_pex.system.lazy import lazy, pattern
from nox_pex.system.secret_patterns import MASK, is_secret_name, public_url, url_passwords

if TYPE_CHECKING:
    from nox_pex.system import secret_forms
    from nox_pex.system.secret_forms import Form
else:
    secret_forms = lazy("nox_pex.system.secret_forms")  # only needed if there are secrets

__all__ = ["MASK", "LineMasker", "Secrets", "is_secret_name", "public_url", "url_passwords"]


_SHORTEST: Final = 5
"""Characters of the shortest secret. Masking a shorter value (`1`, `on`, `test`) would make a log unreadable."""


_SHORTEST_PART: Final = 4
"""Characters of a secret before or after a `…` that are masked."""


_LAST: Final = 6
"""Characters at the end of a line that decide whether a secret continues on the next line."""


_AROUND: Final = " \t'\"\\,)]}"
"""Characters that may follow a part of a secret on its line, as in a list of strings."""


_HELD: Final = 200
"""Lines that `LineMasker` holds back at most."""


_NO_SECRETS: Final = frozenset({"false", "enabled", "disabled", "default", "always", "never", "required", "optional"})
"""Values that are no secrets, because they switch something on or off (`TOKENIZERS_PARALLELISM=false`)."""


_ESCAPE: Final = pattern(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
"""A sequence that a terminal does not show (ECMA-48, 5.4, and the hyperlinks of terminals)."""


_CUT: Final = "\N{HORIZONTAL ELLIPSIS}"


class Secrets(Struct, frozen=True, kw_only=True, dict=True):
    """The `values` of the secrets that this run knows, longest first."""

    values: tuple[str, ...] = ()

    @classmethod
    def from_values(cls, values: Iterable[str]) -> Secrets:
        """Return secrets of these values, sorted so that a value which contains another is masked before it.

        White space around a value does not count. A value of fewer than five characters is no secret.
        """
        stripped = {value.strip() for value in values}
        known = (value for value in stripped if len(value) >= _SHORTEST and value not in _NO_SECRETS)
        return cls(values=tuple(sorted(known, key=lambda value: (-len(value), value))))

    @classmethod
    def of(cls, environ: Mapping[str, str], listed: Iterable[str] = ()) -> Secrets:
        """Return the secrets in `environ`: variables with a secret's name, those `listed`, and passwords in URLs.

        If such a value has a structure, the secrets in it count too: the credentials of an `Authorization` header, the
        values of cookies, the text in base64, and the strings with a secret's name in a JSON object.
        """
        names = frozenset(listed)
        named = [value for name, value in environ.items() if name in names or is_secret_name(name)]
        parts = [part for value in named for part in _parts(value)]
        urls = [f"http://{text}" if _is_proxy(name, text) else text for name, text in environ.items()]
        passwords = [password for url in urls for password in url_passwords(url)]
        return cls.from_values([*named, *parts, *passwords])

    def with_values(self, values: Iterable[str]) -> Secrets:
        """Return these secrets together with others."""
        return Secrets.from_values([*self.values, *values])

    def mask(self, text: str) -> str:
        """Return `text` with `MASK` in place of every secret; the user before a URL's password stays.

        A secret is masked in all forms of `secret_forms`, over several lines too, and where `…` cuts it. A line with a
        secret that escape sequences divide, such as colours, loses all of these.
        """
        if "\x1b" in text:
            text = "\n".join(_undivided(line, self.mask) for line in text.split("\n"))
        text = self._whole.mask(text)
        text = secret_patterns.mask_private_keys(text)
        text = self._lines.mask(text)
        text = secret_patterns.mask_named(text)
        return self._mask_cut(text) if _CUT in text else text

    def mask_lines(self, lines: Iterable[str]) -> tuple[str, ...]:
        """Return lines with `MASK` in place of every secret; one that fills several lines becomes one line."""
        joined = "\n".join(lines)
        return tuple(self.mask(joined).split("\n")) if joined else ()

    def mask_json(self, text: str) -> str:
        """Return a JSON document, as nox-pex writes it, with `MASK` in place of every secret in its strings."""
        return outside_text.json_text(self._mask_strings(json.loads(text)))

    def _mask_strings(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, list):
            return [self._mask_strings(inner) for inner in value]
        if isinstance(value, dict):
            return {self.mask(key): self._mask_strings(inner) for key, inner in value.items()}
        return value

    def continue_after(self, line: str) -> bool:
        """Whether `line` ends within a secret, which may continue on the next line."""
        end = line.rstrip(_AROUND)[-_LAST:]
        return len(end) == _LAST and any(-1 < text.find(end) < len(text) - _LAST for text in self._unbroken)

    @cached_property
    def _whole(self) -> _Forms:
        return _Forms(forms=tuple(form for value in self.values for form in secret_forms.forms(value)))

    @cached_property
    def _lines(self) -> _Forms:
        """The single lines of secrets that have several, which a program may print with something between them."""
        lines = {line for value in self.values for line in _lines(value)} - {*self.values}
        longest_first = sorted(lines, key=lambda line: (-len(line), line))
        return _Forms(forms=tuple(secret_forms.plain_form(line) for line in longest_first))

    @cached_property
    def _unbroken(self) -> tuple[str, ...]:
        """The secrets as one line, as they are and in base64."""
        texts = (text for value in self.values for text in (value, *secret_forms.base64_cores(value)))
        return tuple("".join(text.split()) if "\n" in text else text for text in texts)

    @cached_property
    def _cut_forms(self) -> tuple[str, ...]:
        """The usual forms of all secrets, on one line."""
        forms = (form for value in self.values for form in secret_forms.literal_forms(" ".join(value.split())))
        return tuple(form for form in forms if len(form) > _SHORTEST_PART)

    def _mask_cut(self, text: str) -> str:
        """Mask the beginning of a secret before a `…`, and the end of one after it."""
        for form in self._cut_forms:
            sizes = range(len(form) - 1, _SHORTEST_PART - 1, -1)
            if form[:_SHORTEST_PART] in text:
                for size in sizes:
                    text = text.replace(form[:size] + _CUT, MASK + _CUT)
            if form[-_SHORTEST_PART:] in text:
                for size in sizes:
                    text = text.replace(_CUT + form[-size:], _CUT + MASK)
        return text


class _Forms(Struct, frozen=True, kw_only=True, dict=True):
    """Forms to mask, in the order in which that is done."""

    forms: tuple[Form, ...]

    def mask(self, text: str) -> str:
        # Most texts have none of the anchors, and to look for one takes a hundredth of the time of an expression.
        for at in sorted({at for anchor, at in self._anchors if anchor in text}):
            text = _compiled(self.forms[at]).sub(MASK, text)
        return text

    @cached_property
    def _anchors(self) -> tuple[tuple[str, int], ...]:
        """The anchors of all forms, each with the index of its form. The empty anchor is in every text."""
        return tuple((anchor, at) for at, form in enumerate(self.forms) for anchor in form.anchors or ("",))


class LineMasker:
    """Masks a tool's output while it comes.

    A line within a private key, or at whose end a secret may continue, is held back until the next lines are known.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._held: list[str] = []

    def feed(self, line: str) -> tuple[str, ...]:
        """Take the next line. Return the masked lines that can be shown now, oldest first."""
        self._held.append(line)
        if len(self._held) < _HELD and self._continues(line):
            return ()
        return self.flush()

    def flush(self) -> tuple[str, ...]:
        """Return the lines that are still held back, masked."""
        held, self._held = self._held, []
        return self._secrets.mask_lines(held) if held != [""] else ("",)

    def _continues(self, line: str) -> bool:
        return secret_patterns.in_private_key(self._held) or self._secrets.continue_after(line)


def _undivided(line: str, mask: Callable[[str], str]) -> str:
    """Return a line without escape sequences if `mask` finds a secret in it then; otherwise as it is."""
    plain = _ESCAPE.sub("", line).replace("\x1b", "")  # a sequence may be in another one
    return line if plain == line or mask(plain) == plain else plain


def _is_proxy(name: str, value: str) -> bool:
    """Whether a variable is a proxy without a scheme (`user:password@host:3128`), which pip and curl accept."""
    return name.upper().endswith("_PROXY") and "://" not in value


def _parts(value: str) -> Iterator[str]:
    """Yield the secrets in the value of a secret, which a program may read: of a header, base64 or a JSON object."""
    yield from secret_patterns.credentials(value)
    yield from secret_patterns.cookies(value)
    yield from secret_patterns.decoded(value)
    if value.lstrip().startswith("{"):
        try:
            document = json.loads(value)
        except (ValueError, RecursionError):
            return
        yield from _strings_with_secret_names(document)


def _strings_with_secret_names(document: Any, *, named: bool = False) -> Iterator[str]:
    """Yield each string in a JSON value whose key, or a key around it, is the name of a secret. `named`: all count."""
    if isinstance(document, str):
        if named:
            yield document
    elif isinstance(document, Mapping):
        for key, value in document.items():
            yield from _strings_with_secret_names(value, named=named or is_secret_name(str(key)))
    elif isinstance(document, list):
        for value in document:
            yield from _strings_with_secret_names(value, named=named)


def _lines(value: str) -> Iterator[str]:
    """Yield the lines of a value that has several, if they are long enough to be secrets."""
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _SHORTEST)


@functools.cache
def _compiled(form: Form) -> re.Pattern[str]:
    return re.compile(form.source())
