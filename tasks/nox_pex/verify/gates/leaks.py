"""The gate `leaks`: nothing in the binary that must not leave the machine.

What is searched depends on whose a member is. In the project's own part, and in what pex and installers write
(PEX-INFO, `.dist-info`), all of it: known secrets, passwords in URLs, private keys, `.env`, paths of this machine. In
the members of third parties, which may well carry example URLs and test keys, only what can be nobody else's: the
secrets known to this run, and the paths that the build used. Archives within are opened; what is compressed in another
way (gzip, for one) is searched as it stands.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final
from urllib.parse import quote

from nox_pex.system.secrets import Secrets, is_secret_name
from nox_pex.verify.archive import BOOTSTRAP, DEPENDENCIES, INFO, Container, Pex, open_nested, read_text
from nox_pex.verify.gates.verdict import Verdict
from nox_pex.verify.pex_distributions import LAYOUT
from nox_pex.verify.search import Literal, Pattern, find_kinds, without_redundant

CREDENTIAL: Final = "a password or token in a URL"


FILE_URL: Final = "a file:// URL"


KEY: Final = "a private key"


SECRET: Final = "a secret of this run's environment"  # noqa: S105  # its name, not one


BAKED_IN: Final = "a secret that `inject-env` bakes in"


SECRET_FILE: Final = "nothing but secrets, by its name"  # noqa: S105  # its name, not one


_SHORTEST: Final = 8
"""Characters. A shorter secret, or one that is a plain word, is found in anybody's files."""


_SHALLOW: Final = 2
"""Parts of a path with the root among them. `/app` stands in half of all documentation."""


_DEEPEST: Final = 3
"""Archives within archives that are opened."""


_ARCHIVES: Final = (".whl", ".zip", ".egg", ".pex", ".pyz", ".jar")


_SECRET_FILES: Final = frozenset({".env", ".netrc", "_netrc", ".pypirc", ".git-credentials", ".htpasswd", ".pgpass"})


_SECRET_DIRECTORIES: Final = frozenset({".git", ".ssh", ".aws", ".gnupg"})


_HARMLESS_ENV: Final = frozenset({"example", "sample", "template", "dist", "defaults", "schema"})


_METADATA: Final = frozenset({"METADATA", "PKG-INFO", "RECORD", "WHEEL", "direct_url.json", "entry_points.txt"})
"""Of a third party's `.dist-info`, what an index, a build backend or an installer writes into. The rest is prose and
bills of materials, which name their authors' machines."""


_USERINFO: Final = rb"(?:[A-Za-z0-9._~!$&*+,;=-]|%[0-9A-Fa-f]{2})"


_URL: Final = re.compile(
    rb"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{1,30})://(?P<user>" + _USERINFO + rb"{0,256})"
    rb"(?::(?P<password>" + _USERINFO + rb"{1,2048}))?@(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]{1,255})"
)


_PRIVATE_KEY: Final = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\r|\\n){1,8}"
    rb"(?:[A-Za-z-]{1,32}: [^\r\n\\]{0,128}(?:\s|\\r|\\n){1,8}){0,4}[A-Za-z0-9+/]{4,}"
)


_FILE_URL: Final = re.compile(rb"\bfile://[^\s\"'<>]{1,8}")


_LOCAL: Final = re.compile(
    rb"localhost|127(?:\.[0-9]+){3}|\[::1\]|0\.0\.0\.0|(?:.*\.)?(?:example|test|invalid|localhost)"
    rb"|(?:.*\.)?example\.(?:com|org|net)",
    re.IGNORECASE,
)
"""Hosts that mean no other machine, or none at all (RFC 2606, RFC 6761)."""


_PLACEHOLDERS: Final = frozenset(
    {b"password", b"passwd", b"pass", b"pwd", b"pw", b"secret", b"changeme", b"token", b"example", b"username", b"user"}
)


_TOKEN_LENGTH: Final = 16
"""Characters from which on a lone user's name in an `https` URL is taken for a token."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What tells of the machine and the run.

    `paths` are directories that the build used, with what to call them, and `prefixes` what the names of temporary
    ones begin with; `home` is the user's; `secrets` those known.
    """

    paths: Mapping[Path, str]
    prefixes: Mapping[Path, str]
    home: Path | None
    secrets: Secrets


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is searched: in any member, and besides in the project's own, in metadata and in PEX-INFO."""

    anywhere: tuple[Literal, ...]
    own: tuple[Literal, ...]
    skipped_secrets: int

    @classmethod
    def of(cls, machine: Machine) -> Rules:
        """The rules for a machine. Says in `skipped_secrets` how many secrets are too plain to be searched."""
        told = [value for value in machine.secrets.values if _is_telling(value)]
        secrets = [
            Literal(value=form.encode("utf-8", "surrogateescape"), kind=SECRET)
            for value in told
            for form in dict.fromkeys((value, quote(value, safe=""), json.dumps(value)[1:-1]))
        ]
        paths = [
            Literal(value=os.fsencode(path), kind=f"an absolute path: {name}", path=True, open_ended=open_ended)
            for named, open_ended in ((machine.paths, False), (machine.prefixes, True))
            for path, name in named.items()
            if len(path.parts) > _SHALLOW
        ]
        anywhere = without_redundant((*secrets, *paths))
        return cls(
            anywhere=anywhere,
            own=(*anywhere, *_home(machine.home)),
            skipped_secrets=len(machine.secrets.values) - len(told),
        )


def judge(pex: Pex, rules: Rules, *, own_wheels: Iterable[str]) -> Verdict:
    """Search all of `pex`. `own_wheels` are the entries of `.deps` that are the project's own.

    Raises what `archive.reporting_damage` turns into `NoxPexError`.
    """
    mine = frozenset(own_wheels)
    search = _Search(rules=rules)
    search.head(pex)
    search.info(pex)
    for member in pex.project_members():
        search.own_member(pex.container, member.name, label=member.name)
    for wheel in pex.wheels:
        look = search.own_member if wheel.name in mine else search.others_member
        for name in wheel.content.members:
            look(wheel.content, name, label=f"{DEPENDENCIES}{wheel.name}/{name}")
    for name in pex.bootstrap.members:
        search.others_member(pex.bootstrap, name, label=f"{BOOTSTRAP}/{name}")
    return search.verdict()


class _Search:
    def __init__(self, *, rules: Rules) -> None:
        self._rules = rules
        self._found: dict[tuple[str, str], None] = {}
        self._own = 0
        self._others = 0

    def verdict(self) -> Verdict:
        skipped = self._rules.skipped_secrets
        plain = f", but for {skipped} too plain secret{'' if skipped == 1 else 's'}" if skipped else ""
        return Verdict(
            summary=f"{self._own} own files and {self._others} of others searched{plain}",
            problems=tuple(f"{label} holds {kind}" for label, kind in self._found),
            details={
                "own": self._own,
                "others": self._others,
                "secrets-not-searched": skipped,
                "found": [{"member": label, "kind": kind} for label, kind in self._found],
            },
        )

    def head(self, pex: Pex) -> None:
        """The shebang and the shell script before a zipapp."""
        self._see("the head of the file", io.BytesIO(pex.head()), self._rules.own, _OWN)

    def info(self, pex: Pex) -> None:
        """PEX-INFO by its strings too: JSON may have escaped them."""
        text = "\n".join(_strings(pex.info)).encode("utf-8", "surrogateescape")
        self._see(INFO, io.BytesIO(text), self._rules.own, _STRICT)
        injected: Mapping[str, Any] = pex.info.get("inject_env") or {}
        for name, value in injected.items():
            if is_secret_name(name) and value:
                self._found[f"{INFO} ({name})", BAKED_IN] = None

    def own_member(self, container: Container, name: str, *, label: str, depth: int = 0) -> None:
        """A member of the project's part: its name, its content, and what is in it where it is an archive."""
        self._own += 1
        if _is_secret_file(name):
            self._found[label, SECRET_FILE] = None
        patterns = _STRICT if name in (INFO, LAYOUT) or _is_metadata(name) else _OWN
        if PurePosixPath(name).name in ("METADATA", "PKG-INFO"):
            self._headers(container, name, label=label)
            patterns = _OWN  # the description is prose, as a README is
        with container.open(name) as stream:
            self._see(label, stream, self._rules.own, patterns)
        with _archive_in(container, name, depth) as inside:
            for found, inner in inside.items():
                self.own_member(inner, found, label=f"{label}/{found}", depth=depth + 1)

    def others_member(self, container: Container, name: str, *, label: str, depth: int = 0) -> None:
        """A member of a third party's, or of pex's bootstrap."""
        self._others += 1
        last = PurePosixPath(name).name
        patterns: tuple[Pattern, ...] = ()
        if name == LAYOUT or (_is_metadata(name) and last in _METADATA):
            if last in ("METADATA", "PKG-INFO"):
                self._headers(container, name, label=label)
            else:
                patterns = _STRICT
        with container.open(name) as stream:
            self._see(label, stream, self._rules.anywhere, patterns)
        with _archive_in(container, name, depth) as inside:
            for found, inner in inside.items():
                self.others_member(inner, found, label=f"{label}/{found}", depth=depth + 1)

    def _headers(self, container: Container, name: str, *, label: str) -> None:
        """The headers of a METADATA but the description: requirements and addresses, which a build may fill in."""
        headers = HeaderParser().parsestr(read_text(container, name))
        text = "\n".join(str(value) for key, value in headers.items() if key.lower() != "description")
        self._see(label, io.BytesIO(text.encode("utf-8", "surrogateescape")), self._rules.own, _STRICT)

    def _see(self, label: str, stream: IO[bytes], literals: tuple[Literal, ...], patterns: tuple[Pattern, ...]) -> None:
        self._found.update(dict.fromkeys((label, kind) for kind in find_kinds(stream, literals, patterns)))


def _is_credential(match: re.Match[bytes]) -> bool:
    """Whether a URL has a password or a token in it: a lone name is one where the protocol has no users of its own."""
    return match["password"] is not None or match["scheme"].lower().removeprefix(b"git+") in (b"http", b"https")


def _is_own_credential(match: re.Match[bytes]) -> bool:
    """The same for code and prose, where examples, defaults for this machine and templates are no secrets."""
    user, password = match["user"], match["password"]
    if _LOCAL.fullmatch(match["host"]):
        return False
    if password is None:
        return _is_credential(match) and len(user) >= _TOKEN_LENGTH and not user.startswith(b"$")
    plain = password.strip(b"*.~_-").lower()
    return not (password == user or plain in _PLACEHOLDERS or password.startswith((b"$", b"%")) or len(set(plain)) < 2)  # noqa: PLR2004


_STRICT: Final = (
    Pattern(regex=_URL, kind=CREDENTIAL, hint=b"://", accept=_is_credential),
    Pattern(regex=_FILE_URL, kind=FILE_URL, hint=b"file://"),
    Pattern(regex=_PRIVATE_KEY, kind=KEY, hint=b"PRIVATE KEY"),
)


_OWN: Final = (
    Pattern(regex=_URL, kind=CREDENTIAL, hint=b"://", accept=_is_own_credential),
    Pattern(regex=_PRIVATE_KEY, kind=KEY, hint=b"PRIVATE KEY"),
)


def _is_telling(secret: str) -> bool:
    """Whether finding a secret says that it leaked: it is long enough, no plain word or number, and no path."""
    classes = {"a" if c.islower() else "A" if c.isupper() else "0" if c.isdigit() else "-" for c in secret}
    plain = len(classes) == 1 and len(secret) < (_SHORTEST + 2 if classes == {"0"} else 2 * _SHORTEST)
    return len(secret) >= _SHORTEST and not plain and not Path(secret).is_absolute()


def _home(home: Path | None) -> tuple[Literal, ...]:
    """A home right under the root (`/root`) is searched by the hidden directories that a build uses in it."""
    if home is None or home == Path(home.anchor):
        return ()
    value = os.fsencode(home)
    deep = len(home.parts) > _SHALLOW
    kind = "an absolute path: the user's home"
    return (Literal(value=value if deep else value + b"/.", kind=kind, path=True, open_ended=not deep),)


def _is_secret_file(name: str) -> bool:
    *directories, last = PurePosixPath(name).parts
    env = last.startswith(".env.") and last.rpartition(".")[2] not in _HARMLESS_ENV
    return last in _SECRET_FILES or env or not _SECRET_DIRECTORIES.isdisjoint(directories)


def _is_metadata(name: str) -> bool:
    """Whether a member lies right in a `.dist-info`, or in pex's counterpart of it."""
    directory, _, _ = name.rpartition("/")
    return directory.endswith((".dist-info", ".pex-info")) and "/" not in directory


def _strings(value: object) -> Iterator[str]:
    """All strings in a value of JSON, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (key, *_strings(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


@contextlib.contextmanager
def _archive_in(container: Container, name: str, depth: int) -> Iterator[Mapping[str, Container]]:
    """The archive that a member is, with its members' names; empty where it is none, or lies too deep."""
    with ExitStack() as stack:
        inner: Container | None = None
        if depth < _DEEPEST and name.endswith(_ARCHIVES):
            with contextlib.suppress(zipfile.BadZipFile):
                inner = open_nested(container, name, stack)
        yield dict.fromkeys(inner.members, inner) if inner is not None else {}
