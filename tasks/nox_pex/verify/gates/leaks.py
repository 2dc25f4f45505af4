"""The gate `leaks`: the binary contains nothing that must not leave the machine.

The search depends on the origin of a member. In the project's own files, and in those that pex and installers write
(PEX-INFO, `.dist-info`), it looks for known secrets, passwords in URLs, private keys, `.env` files and paths of this
machine. Third-party files may well contain example URLs and test keys, so there it only looks for what no one else can
have: the secrets that are known to this run, and the paths that the build used. Archives within the binary are opened;
files that are compressed in another way (gzip) are searched as they are.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from typing import IO, Final
from urllib.parse import quote

from msgspec import Struct

from nox_pex.system.secret_forms import literal_forms
from nox_pex.system.secrets import Secrets, is_secret_name
from nox_pex.verify.archive import BOOTSTRAP, DEPENDENCIES, INFO, Pex, open_nested
from nox_pex.verify.container import BombError, Container, DamageError, read_text
from nox_pex.verify.gates.verdict import Verdict
from nox_pex.verify.pex_distributions import LAYOUT
from nox_pex.verify.search import Literal, Pattern, find_kinds, without_redundant

CREDENTIAL: Final = "a password or token in a URL"


FILE_URL: Final = "a file:// URL"


KEY: Final = "a private key"


SECRET: Final = "a secret of this run's environment"  # noqa: S105  # the name of a kind, not a secret


BAKED_IN: Final = "a secret that `inject-env` bakes in"


SECRET_FILE: Final = "secrets, by its name"  # noqa: S105  # the name of a kind, not a secret


_SHORTEST: Final = 8
"""Characters. A shorter secret, or a plain word, occurs in anyone's files."""


_SHALLOW: Final = 2
"""Parts of a path, including the root. A path with only these, such as `/app`, is in many files."""


_SAFE_IN_A_PATH: Final = "/:@!$&'()*+,;=~"
"""The characters of a path that a URL may have as they are (RFC 3986, 3.3)."""


_DEEPEST: Final = 3
"""Levels of archives within archives that are opened."""


_ARCHIVES: Final = (".whl", ".zip", ".egg", ".pex", ".pyz", ".jar")


_SECRET_FILES: Final = frozenset({".env", ".netrc", "_netrc", ".pypirc", ".git-credentials", ".htpasswd", ".pgpass"})


_SECRET_DIRECTORIES: Final = frozenset({".git", ".ssh", ".aws", ".gnupg"})


_HARMLESS_ENV: Final = frozenset({"example", "sample", "template", "dist", "defaults", "schema"})


_METADATA: Final = frozenset({"METADATA", "PKG-INFO", "RECORD", "WHEEL", "direct_url.json", "entry_points.txt"})
"""Files of a third party's `.dist-info` into which an index, a build backend or an installer writes. The others are
prose and bills of materials, which name their authors' machines."""


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
"""Hosts that are this machine, or no machine at all (RFC 2606, RFC 6761)."""


_PLACEHOLDERS: Final = frozenset(
    {b"password", b"passwd", b"pass", b"pwd", b"pw", b"secret", b"changeme", b"token", b"example", b"username", b"user"}
)


_TOKEN_LENGTH: Final = 16
"""Characters. A user name of at least this length, without a password, counts as a token in an `https` URL."""


class Machine(Struct, frozen=True, kw_only=True):
    """The values that identify the machine and the run.

    `paths` are the directories that the build used, `prefixes` the beginnings of its temporary directories' paths; both
    map to a name for the report. `home` is the user's home directory.
    """

    paths: Mapping[Path, str]
    prefixes: Mapping[Path, str]
    home: Path | None
    secrets: Secrets


class Rules(Struct, frozen=True, kw_only=True):
    """The byte strings to search for.

    `anywhere` applies to all members, `own` to the project's files, metadata and PEX-INFO. `skipped_secrets` is the
    number of secrets that are too plain to search for.
    """

    anywhere: tuple[Literal, ...]
    own: tuple[Literal, ...]
    skipped_secrets: int

    @classmethod
    def of(cls, machine: Machine) -> Rules:
        """Return the rules for a machine."""
        distinctive = [value for value in machine.secrets.values if _is_distinctive(value)]
        secrets = [
            Literal(value=form.encode("utf-8", "surrogateescape"), kind=SECRET)
            for value in distinctive
            for form in literal_forms(value)
        ]
        paths = [
            Literal(value=form, kind=f"an absolute path: {name}", path=True, open_ended=open_ended)
            for named, open_ended in ((machine.paths, False), (machine.prefixes, True))
            for path, name in named.items()
            if len(path.parts) > _SHALLOW
            for form in _forms(path)
        ]
        anywhere = without_redundant((*secrets, *paths))
        return cls(
            anywhere=anywhere,
            own=(*anywhere, *_home(machine.home)),
            skipped_secrets=len(machine.secrets.values) - len(distinctive),
        )


def _forms(path: Path) -> Iterable[bytes]:
    """Return the forms in which a path may be in a file: as it is, in a URL, in JSON and in Python."""
    text = str(path)
    yield os.fsencode(path)
    yield from (quote(os.fsencode(path), safe=safe).encode() for safe in ("/", _SAFE_IN_A_PATH))
    yield from (json.dumps(text)[1:-1].encode(), repr(text)[1:-1].encode("utf-8", "surrogateescape"))


_NO_DOCUMENTS: Final[Mapping[str, object]] = {}


def judge(
    pex: Pex, rules: Rules, *, own_wheels: Iterable[str], documents: Mapping[str, object] = _NO_DOCUMENTS
) -> Verdict:
    """Search all of `pex`. `own_wheels` are the entries of `.deps` that are the project's own wheels.

    `documents` are JSON values that ship with it, by their names for the report: the lift manifests of its scies.
    Raises `DamageError`.
    """
    own = frozenset(own_wheels)
    search = _Search(rules=rules)
    search.head(pex)
    search.info(pex)
    for member in pex.project_members():
        search.own_member(pex.container, member.name, label=member.name)
    for wheel in pex.wheels:
        search_member = search.own_member if wheel.name in own else search.third_party_member
        for name in wheel.content.members:
            search_member(wheel.content, name, label=f"{DEPENDENCIES}{wheel.name}/{name}")
    for name in pex.bootstrap.members:
        search.third_party_member(pex.bootstrap, name, label=f"{BOOTSTRAP}/{name}")
    for label, document in documents.items():
        search.document(document, label=label)
    return search.verdict()


class _Search:
    """The search of one binary: collects what it finds, and counts the files."""

    def __init__(self, *, rules: Rules) -> None:
        self._rules = rules
        self._found: dict[tuple[str, str], None] = {}  # pairs of a label and a kind, in order
        self._own = 0
        self._third_party = 0
        self._notes: list[str] = []

    def verdict(self) -> Verdict:
        skipped = self._rules.skipped_secrets
        plain = f"; {skipped} secret{' is' if skipped == 1 else 's are'} too plain to search for" if skipped else ""
        return Verdict(
            summary=f"{self._own} own and {self._third_party} third-party files searched{plain}",
            problems=tuple(f"{label} holds {kind}" for label, kind in self._found),
            notes=tuple(self._notes),
            details={
                "own": self._own,
                "others": self._third_party,
                "secrets-not-searched": skipped,
                "found": [{"member": label, "kind": kind} for label, kind in self._found],
            },
        )

    def head(self, pex: Pex) -> None:
        """Search the shebang and the shell script at the head of a zipapp."""
        self._search("the head of the file", io.BytesIO(pex.head()), self._rules.own, _CODE_PATTERNS)

    def info(self, pex: Pex) -> None:
        """Search the parsed strings of PEX-INFO, because JSON may have escaped them in the file."""
        self.document(pex.info.values, label=INFO)
        for name, value in pex.info.inject_env.items():
            if is_secret_name(name) and value:
                self._found[f"{INFO} ({name})", BAKED_IN] = None

    def document(self, document: object, *, label: str) -> None:
        """Search the strings of a JSON value."""
        text = "\n".join(_strings(document)).encode("utf-8", "surrogateescape")
        self._search(label, io.BytesIO(text), self._rules.own, _METADATA_PATTERNS)

    def own_member(self, container: Container, name: str, *, label: str, depth: int = 0) -> None:
        """Search a member of the project's part: its name, its content, and its members if it is an archive."""
        self._own += 1
        if _is_secret_file(name):
            self._found[label, SECRET_FILE] = None
        patterns = _METADATA_PATTERNS if name in (INFO, LAYOUT) or _is_metadata(name) else _CODE_PATTERNS
        if PurePosixPath(name).name in ("METADATA", "PKG-INFO"):
            self._headers(container, name, label=label)
            patterns = _CODE_PATTERNS  # the description is prose, like a README
        with container.open(name) as stream:
            self._search(label, stream, self._rules.own, patterns)
        with self._members_in(container, name, label, depth) as inside:
            for found, inner in inside.items():
                self.own_member(inner, found, label=f"{label}/{found}", depth=depth + 1)

    def third_party_member(self, container: Container, name: str, *, label: str, depth: int = 0) -> None:
        """Search a member of a third-party wheel, or of pex's bootstrap."""
        self._third_party += 1
        last = PurePosixPath(name).name
        patterns: tuple[Pattern, ...] = ()
        if name == LAYOUT or (_is_metadata(name) and last in _METADATA):
            if last in ("METADATA", "PKG-INFO"):
                self._headers(container, name, label=label)
            else:
                patterns = _METADATA_PATTERNS
        with container.open(name) as stream:
            self._search(label, stream, self._rules.anywhere, patterns)
        with self._members_in(container, name, label, depth) as inside:
            for found, inner in inside.items():
                self.third_party_member(inner, found, label=f"{label}/{found}", depth=depth + 1)

    @contextlib.contextmanager
    def _members_in(self, container: Container, name: str, label: str, depth: int) -> Iterator[Mapping[str, Container]]:
        """Open a member that is an archive, and yield it once for each of its members' names.

        Yields an empty mapping if the member is not an archive, or is nested too deep. A damaged archive within the
        binary is a file like any other, which was searched as it is.
        """
        with ExitStack() as stack, contextlib.suppress(DamageError):
            inner: Container | None = None
            if depth < _DEEPEST and name.endswith(_ARCHIVES):
                try:
                    inner = open_nested(container, name, stack)
                except BombError as error:
                    self._notes.append(f"{label} was not searched: {error}")
                except DamageError:
                    inner = None
            yield dict.fromkeys(inner.members, inner) if inner is not None else {}

    def _headers(self, container: Container, name: str, *, label: str) -> None:
        """Search the headers of a METADATA except the description: a build may fill in requirements and addresses."""
        headers = HeaderParser().parsestr(read_text(container, name))
        text = "\n".join(str(value) for key, value in headers.items() if key.lower() != "description")
        self._search(label, io.BytesIO(text.encode("utf-8", "surrogateescape")), self._rules.own, _METADATA_PATTERNS)

    def _search(
        self, label: str, stream: IO[bytes], literals: tuple[Literal, ...], patterns: tuple[Pattern, ...]
    ) -> None:
        self._found.update(dict.fromkeys((label, kind) for kind in find_kinds(stream, literals, patterns)))


def _is_credential(match: re.Match[bytes]) -> bool:
    """Whether a URL contains a password or a token. In an HTTP URL, a user name alone counts as a token."""
    return match["password"] is not None or match["scheme"].lower().removeprefix(b"git+") in (b"http", b"https")


def _is_credential_in_code(match: re.Match[bytes]) -> bool:
    """Whether a URL in code or prose contains a credential: not an example, a local default or a template."""
    user, password = match["user"], match["password"]
    if _LOCAL.fullmatch(match["host"]):
        return False
    if password is None:
        return _is_credential(match) and len(user) >= _TOKEN_LENGTH and not user.startswith(b"$")
    plain = password.strip(b"*.~_-").lower()
    is_repeated_character = len(set(plain)) <= 1
    return not (
        password == user or plain in _PLACEHOLDERS or password.startswith((b"$", b"%")) or is_repeated_character
    )


_METADATA_PATTERNS: Final = (
    Pattern(regex=_URL, kind=CREDENTIAL, hint=b"://", accept=_is_credential),
    Pattern(regex=_FILE_URL, kind=FILE_URL, hint=b"file://"),
    Pattern(regex=_PRIVATE_KEY, kind=KEY, hint=b"PRIVATE KEY"),
)


_CODE_PATTERNS: Final = (
    Pattern(regex=_URL, kind=CREDENTIAL, hint=b"://", accept=_is_credential_in_code),
    Pattern(regex=_PRIVATE_KEY, kind=KEY, hint=b"PRIVATE KEY"),
)


_ALPHABETS: Final = ("0123456789abcdefghijklmnopqrstuvwxyz0123456789",)
"""Texts whose parts are no secrets, because many files hold them: `0123456789abcdef` is in most compiled modules."""


def _is_distinctive(secret: str) -> bool:
    """Whether an occurrence proves that the secret leaked: it is long enough, and no plain word, number or path."""
    classes = {"a" if c.islower() else "A" if c.isupper() else "0" if c.isdigit() else "-" for c in secret}
    plain = len(classes) == 1 and len(secret) < (_SHORTEST + 2 if classes == {"0"} else 2 * _SHORTEST)
    plain = plain or any(secret.lower() in alphabet for alphabet in _ALPHABETS)
    return len(secret) >= _SHORTEST and not plain and not Path(secret).is_absolute()


def _home(home: Path | None) -> tuple[Literal, ...]:
    """Return what to search for because of the home directory.

    For one directly below the root (`/root`) these are only the hidden directories in it, which a build uses.
    """
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
    """Whether a member is directly in a `.dist-info`, or in pex's counterpart of it."""
    directory, _, _ = name.rpartition("/")
    return directory.endswith((".dist-info", ".pex-info")) and "/" not in directory


def _strings(value: object) -> Iterator[str]:
    """Yield all strings in a JSON value, including keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (key, *_strings(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
