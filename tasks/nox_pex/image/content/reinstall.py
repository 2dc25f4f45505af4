"""Install a distribution of a PEX into a virtual environment in an image, as `venv` of pex's tools does.

Nothing is executed: the installed wheel is mapped to the paths of the environment, with the scripts' first lines, the
files that an installer adds, and the RECORD that pex writes.
Fact source: pex 2.105 (`pex.pep_427.install_wheel`, `pex.venv.virtualenv.Virtualenv.rewrite_scripts`).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from msgspec import Struct

from nox_pex.distributions import pex_scripts
from nox_pex.distributions.installed_wheel import LAYOUT, STASH
from nox_pex.distributions.pex_file import PexError
from nox_pex.distributions.record import encode_digest
from nox_pex.image.content.open_pex import Member, Members
from nox_pex.oci.layer_writer import Entry

_Row: TypeAlias = tuple[str, str, str]
"""A row of RECORD: path, digest, size."""


_ADDED_BY_PEX: Final = {"INSTALLER": b"pex\n", "REQUESTED": b""}
"""The files that pex adds to a `.dist-info` when it installs."""


_LEFT_OUT: Final = (*_ADDED_BY_PEX, "uv_build.json", "uv_cache.json")


_ORIGINAL: Final = "original-whl-info.json"
"""The file in which pex notes the members of a wheel."""


SCRIPTS: Final = "bin/"
"""The directory of programs in an environment."""


_LARGEST_SCRIPT: Final = 1 << 20
"""Bytes of a program that may be a script of Python. Larger ones are compiled programs."""


_PYTHON_SCRIPT: Final = re.compile(rb"#!(?:python\n|.*\W(?:python|pypy)(?:\d+(?:\.\d+)*)?(?:[^.a-zA-Z0-9]|$))")
"""The beginning of a script whose first line pex replaces."""


_ENCODING: Final = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-_.a-zA-Z0-9]+)")
"""A line that declares an encoding (PEP 263)."""


class Environment(Struct, frozen=True, kw_only=True):
    """A virtual environment in an image: its directory `root` (`/app`), and the name of its interpreter, `python3.11`.

    All paths below are relative to `root`.
    """

    root: str
    python: str

    @property
    def library(self) -> str:
        """The directory of modules."""
        return f"lib/{self.python}/site-packages"

    @property
    def interpreter(self) -> str:
        """The absolute path of the environment's interpreter in the image."""
        return f"{self.root}/bin/{self.python}"

    @property
    def shebang(self) -> bytes:
        """The first line of a script."""
        return f"#!{self.interpreter} -I\n".encode()


def targets(paths: Iterable[str], environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield the paths of an installed wheel that are installed, and where to."""
    for path in paths:
        target = _target(path, environment)
        if target is not None:
            yield path, target


def installed_paths(paths: Iterable[str], environment: Environment) -> frozenset[str]:
    """Return the paths of everything that `reinstall` may return for an installed wheel with these paths."""
    found = dict(targets(paths, environment))
    records = [target for target in found.values() if target.endswith(".dist-info/RECORD")]
    added = (posixpath.join(posixpath.dirname(record), name) for record in records for name in _ADDED_BY_PEX)
    return frozenset([*found.values(), *added])


def reinstall(wheel: str, members: Members, environment: Environment) -> Iterator[Entry]:
    """Yield the files of an installed wheel in the environment, with paths relative to it.

    Raises `PexError` if the wheel is damaged, or if pex could install it differently.
    """
    record = _record_path(wheel, members)
    info, text = posixpath.dirname(record), members[record].read()
    generated = _entry_points(wheel, members, info)
    listed = list(_listed(text, record, members, environment))
    added = [
        Entry(path=f"{environment.library}/{info}/{name}", content=content) for name, content in _ADDED_BY_PEX.items()
    ]
    yield from (file.entry for file in listed if file.entry is not None)
    yield from added
    scripts = {posixpath.basename(file.row[0]): file.row for file in listed if file.is_script}
    rows = [
        *(file.row for file in listed if not file.is_note and not (file.is_script and file.name in generated)),
        *(scripts[name] for name in generated if name in scripts),
        *(
            _row(entry.path, environment, *_digest_and_size(_ADDED_BY_PEX[posixpath.basename(entry.path)]))
            for entry in added
        ),
        *(file.row for file in listed if file.is_note),
    ]
    eol = "\r\n" if text.partition(b"\n")[0].endswith(b"\r") else "\n"
    yield Entry(path=f"{environment.library}/{record}", content=_record_text(rows, eol))


class _Listed(Struct, frozen=True, kw_only=True):
    """A row of RECORD as it is in the environment, and its file; None for RECORD itself, and for a directory.

    `is_script` is whether it is a script of Python, and `is_note` whether it is pex's note of the wheel's members.
    """

    row: _Row
    entry: Entry | None = None
    is_script: bool = False
    is_note: bool = False

    @property
    def name(self) -> str:
        """The name of the file."""
        return posixpath.basename(self.row[0])


def _listed(text: bytes, record: str, members: Members, environment: Environment) -> Iterator[_Listed]:
    where = dict(targets(members, environment))
    for path, digest, size in _rows(text):
        source = posixpath.normpath(path)
        if path == record:
            yield _Listed(row=(path, "", ""))
        elif path.endswith("/"):
            yield _Listed(row=(path, digest, size))
        elif source in where:
            member, target = members[source], where[source]
            script = _script(member, environment) if target.startswith(SCRIPTS) else None
            if script is not None:
                entry = Entry(path=target, content=script, executable=True)
                yield _Listed(row=_row(target, environment, *_digest_and_size(script)), entry=entry, is_script=True)
                continue
            is_note = posixpath.basename(path) == _ORIGINAL and posixpath.dirname(path).endswith(".pex-info")
            noted = _digest_and_size(member.read()) if is_note else (digest, str(int(size)) if size else "")
            yield _Listed(
                row=_row(target, environment, *noted),
                entry=Entry(path=target, content=member.content, executable=member.executable),
                is_note=is_note,
            )


def _row(target: str, environment: Environment, digest: str, size: str) -> _Row:
    return posixpath.relpath(target, environment.library), digest, size


def is_always_written(wheel: str, members: Members, path: str, member: Member) -> bool:
    """Whether pex writes a file, which goes to `path` in an environment, even if another distribution has one there."""
    if not path.startswith(SCRIPTS) or member.content.size > _LARGEST_SCRIPT:
        return False
    info = posixpath.dirname(_record_path(wheel, members))
    is_generated = posixpath.basename(path) in _entry_points(wheel, members, info)
    return not is_generated and member.read().startswith(b"#!python")


def _target(path: str, environment: Environment) -> str | None:
    """Return where a file of an installed wheel goes (`InstallPaths.chroot`, `.interpreter`); None if nowhere."""
    if path == LAYOUT or path.endswith(".pyc"):
        return None
    stash, _, inner = path.partition("/")
    if stash != STASH:
        is_left_out = stash.endswith(".dist-info") and inner in _LEFT_OUT
        return None if is_left_out else _checked(f"{environment.library}/{path}", path)
    scheme, _, rest = inner.partition("/")
    if scheme == "include":
        site, _, named = rest.partition("/")
        rest = f"{site}/{environment.python}/{named.partition('/')[2]}"
    places = {
        "bin": SCRIPTS,
        "data": "",
        "include": "include/",
        "platlib": f"{environment.library}/",
        "purelib": f"{environment.library}/",
    }
    return _checked(f"{places[scheme]}{rest}", path) if scheme in places else None


def _checked(target: str, path: str) -> str:
    if posixpath.normpath(target) != target or target.startswith(("/", "../")):
        msg = f"it has a file with the path {path}"
        raise PexError(msg)
    return target


def _record_path(wheel: str, members: Members) -> str:
    try:
        record = json.loads(members[LAYOUT].read())["record_relpath"]
        if record in members:
            return str(record)
    except (KeyError, TypeError, ValueError):
        pass
    msg = f"{wheel} in it has no RECORD"
    raise PexError(msg)


def _entry_points(wheel: str, members: Members, info: str) -> Mapping[str, str]:
    member = members.get(f"{info}/entry_points.txt")
    try:
        return pex_scripts.generated(member.read()) if member is not None else {}
    except ValueError as error:
        msg = f"{wheel} in it has scripts that only pex itself can install: {error}"
        raise PexError(msg) from error


def _rows(text: bytes) -> Iterator[_Row]:
    try:
        for row in csv.reader(line for line in text.decode("utf-8").splitlines() if line):
            path, digest, size = (*row, "", "")[:3]
            yield path, digest, size
    except (csv.Error, ValueError) as error:
        msg = f"it has a RECORD that is damaged: {error}"
        raise PexError(msg) from error


def _record_text(rows: Iterable[_Row], eol: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator=eol).writerows(rows)
    return text.getvalue().encode()


def _script(member: Member, environment: Environment) -> bytes | None:
    """Return a script of Python with the environment's interpreter in its first line; None for another program."""
    if member.content.size > _LARGEST_SCRIPT:
        return None
    content = member.read()
    first, newline, rest = content.partition(b"\n")
    if not _PYTHON_SCRIPT.match(first + newline):
        return None
    line, newline, code = rest.partition(b"\n")
    if _ENCODING.match(line) and first.startswith(b"#!python"):
        return environment.shebang + line.rstrip() + b"\n" + code
    return environment.shebang + rest


def _digest_and_size(content: bytes) -> tuple[str, str]:
    return f"sha256={encode_digest(hashlib.sha256(content).digest())}", str(len(content))
