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
from typing import Final

from msgspec import Struct

from nox_pex.distributions import pex_scripts
from nox_pex.distributions.installed_wheel import LAYOUT, STASH
from nox_pex.distributions.pex_file import PexError
from nox_pex.distributions.record import encode_digest
from nox_pex.image.content.pex_members import Member, Members
from nox_pex.oci.layer_writer import Entry

_GENERATED: Final = ("INSTALLER", "REQUESTED")
"""The files of a `.dist-info` that pex writes when it installs."""


_LEFT_OUT: Final = (*_GENERATED, "uv_build.json", "uv_cache.json")


_ORIGINAL: Final = "original-whl-info.json"
"""The file in which pex notes the members of a wheel."""


_INSTALLER: Final = b"pex\n"


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
    added = (posixpath.join(posixpath.dirname(record), name) for record in records for name in _GENERATED)
    return frozenset([*found.values(), *added])


def reinstall(wheel: str, members: Members, environment: Environment) -> Iterator[Entry]:
    """Yield the files of an installed wheel in the environment, with paths relative to it.

    Raises `PexError` if the wheel is damaged, or if pex could install it differently.
    """
    record = _record_path(wheel, members)
    info = posixpath.dirname(record)
    generated = _entry_points(wheel, members, info)
    where = dict(targets(members, environment))
    rows: list[tuple[str, str, str]] = []
    scripts: dict[str, tuple[str, str, str]] = {}
    original: tuple[str, str, str] | None = None

    def row(target: str, digest: str, size: str) -> tuple[str, str, str]:
        return posixpath.relpath(target, environment.library), digest, size

    text = members[record].read()
    eol = "\r\n" if text.partition(b"\n")[0].endswith(b"\r") else "\n"
    for path, digest, size in _rows(text):
        if path == record:
            rows.append((path, "", ""))
            continue
        if path.endswith("/"):
            rows.append((path, digest, size))
            continue
        source = posixpath.normpath(path)
        target, member = where.get(source), members.get(source)
        if target is None or member is None:
            continue
        script = _script(member, environment) if target.startswith(SCRIPTS) and source.startswith(STASH) else None
        if script is not None:
            yield Entry(path=target, content=script, executable=True)
            new = row(target, *_digest_and_size(script))
            name = posixpath.basename(target)
            if name in generated:
                scripts[name] = new
            else:
                rows.append(new)
            continue
        yield Entry(path=target, content=member.content, executable=member.executable)
        if posixpath.basename(path) == _ORIGINAL and posixpath.dirname(path).endswith(".pex-info"):
            original = row(target, *_digest_and_size(member.read()))
        else:
            rows.append(row(target, digest, str(int(size)) if size else ""))
    rows.extend(scripts[name] for name in generated if name in scripts)
    for name, content in zip(_GENERATED, (_INSTALLER, b""), strict=True):
        yield Entry(path=f"{environment.library}/{info}/{name}", content=content)
        rows.append((f"{info}/{name}", *_digest_and_size(content)))
    if original is not None:
        rows.append(original)
    yield Entry(path=f"{environment.library}/{record}", content=_record_text(rows, eol))


def is_always_written(wheel: str, members: Members, path: str, member: Member) -> bool:
    """Whether pex writes a file, which goes to `path` in an environment, even if another distribution has one there."""
    if not path.startswith(SCRIPTS) or member.content.size > _LARGEST_SCRIPT:
        return False
    info = posixpath.dirname(_record_path(wheel, members))
    is_generated = posixpath.basename(path) in _entry_points(wheel, members, info)
    return not is_generated and member.read().startswith(b"#!python")


def _target(path: str, environment: Environment) -> str | None:
    """Return where a file of an installed wheel goes (`InstallPaths.chroot`, `InstallPaths.interpreter`); None if
    nowhere.
    """
    if path == LAYOUT or path.endswith(".pyc"):
        return None
    if not path.startswith(f"{STASH}/"):
        top, _, rest = path.partition("/")
        is_left_out = top.endswith(".dist-info") and rest in _LEFT_OUT
        return None if is_left_out else _checked(f"{environment.library}/{path}", path)
    scheme, _, rest = path[len(STASH) + 1 :].partition("/")
    match scheme:
        case "bin":
            return _checked(f"{SCRIPTS}{rest}", path)
        case "data":
            return _checked(rest, path)
        case "purelib" | "platlib":
            return _checked(f"{environment.library}/{rest}", path)
        case "include":
            site, _, named = rest.partition("/")
            return _checked(f"include/{site}/{environment.python}/{named.partition('/')[2]}", path)
    return None


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


def _rows(text: bytes) -> Iterator[tuple[str, str, str]]:
    try:
        for row in csv.reader(line for line in text.decode("utf-8").splitlines() if line):
            path, digest, size = (*row, "", "")[:3]
            yield path, digest, size
    except (csv.Error, ValueError) as error:
        msg = f"it has a RECORD that is damaged: {error}"
        raise PexError(msg) from error


def _record_text(rows: Iterable[tuple[str, str, str]], eol: str) -> bytes:
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
