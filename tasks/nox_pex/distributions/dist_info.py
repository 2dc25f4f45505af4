"""The text files in a `.dist-info` that pex parses, and what they say where pex cannot parse them.

Poetry has accepted these files, so the binary ships them. But pex parses them strictly, when it builds and again when
the binary starts. A field that pex cannot parse, or that forbids the Python that Poetry installed for, is therefore
written differently in the binary. All other fields stay as they are.
Fact sources: the core metadata specification, PEP 508, "Entry points" and "Binary distribution format" of PyPA, and
pex 2.105 (`pex.dist_metadata`, `pex.wheel`, `Target.wheel_applies`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from pathlib import Path
from typing import Final

from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import parse_tag

from nox_pex.distributions import launcher, metadata
from nox_pex.distributions.launcher import Library
from nox_pex.distributions.target_python import TargetPython

METADATA: Final = "METADATA"


ENTRY_POINTS: Final = "entry_points.txt"


PARSED_FILES: Final = (METADATA, "WHEEL", ENTRY_POINTS, "namespace_packages.txt")
"""The files of a `.dist-info` that pex parses, apart from RECORD."""


class Rewrite(Struct, frozen=True, kw_only=True):
    """A field of a `file` that the binary has in another form: its text `before` and `after` (empty: removed)."""

    file: str
    before: str
    after: str


class PackableDistInfo(Struct, frozen=True, kw_only=True):
    """The `contents` of the parsed files as the binary has them, by name, and the `rewrites` that made them so."""

    contents: Mapping[str, bytes]
    rewrites: tuple[Rewrite, ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        """The values of its fields Requires-Dist. pex can parse all of them."""
        text = self.contents.get(METADATA, b"").decode("utf-8", "surrogateescape")
        return tuple(field.value for field in _fields(text) if field.key == "requires-dist")

    def field(self, name: str) -> str:
        """The value of the first field `name` of its METADATA; empty if there is none."""
        text = self.contents.get(METADATA, b"").decode("utf-8", "surrogateescape")
        return next((field.value for field in _fields(text) if field.key == name.lower()), "")


def read_directory(directory: Path) -> dict[str, bytes]:
    """Return the content of the parsed files in a `.dist-info`, by name."""
    return {name: (directory / name).read_bytes() for name in PARSED_FILES if (directory / name).is_file()}


def packable(
    contents: Mapping[str, bytes],
    *,
    direct: bool,
    pythons: Iterable[TargetPython],
    libraries: Sequence[Library] = (),
) -> PackableDistInfo:
    """Return the parsed files of a distribution for `pythons` as the binary has them.

    The object references of its scripts are looked up in `libraries`. The paths of this machine and the credentials
    that a `direct` distribution's METADATA may contain are removed too.
    """
    targets = tuple(pythons)
    new: dict[str, bytes] = {}
    rewrites: list[Rewrite] = []
    for name, content in contents.items():
        text, decoded_rewrites = _decoded(name, content)
        if name == METADATA and direct:
            text = metadata.cleaned(text)
        text, field_rewrites = _REWRITERS.get(name, _unchanged)(text, targets)
        rewrites += [*decoded_rewrites, *field_rewrites]
        if name == ENTRY_POINTS:
            text, reference_rewrites = _startable_scripts(text, libraries)
            rewrites += reference_rewrites
        new[name] = text.encode("utf-8", "surrogateescape")
    return PackableDistInfo(contents=new, rewrites=tuple(rewrites))


def _decoded(name: str, content: bytes) -> tuple[str, list[Rewrite]]:
    """The text of a file. A line that is not UTF-8 is read as Latin-1, which older tools wrote."""
    try:
        return content.decode("utf-8"), []
    except UnicodeDecodeError:
        lines = [_decoded_line(line) for line in content.splitlines(keepends=True)]
        return "".join(lines), [Rewrite(file=name, before=f"{name} that is not UTF-8", after=f"{name} in UTF-8")]


def _decoded_line(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _unchanged(text: str, _targets: tuple[TargetPython, ...]) -> tuple[str, list[Rewrite]]:
    return text, []


class _Field(Struct, frozen=True, kw_only=True):
    """A field of METADATA: its `key` in lower case, its `value` as pex reads it, and its `lines` as they are."""

    key: str
    value: str
    lines: str


_FIELD: Final = re.compile(r"(?P<key>[\x21-\x39\x3b-\x7e]+):[ \t]*(?P<value>.*)", re.DOTALL)
"""A header of an email message (RFC 5322), whose format METADATA has."""


_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


def _fields(text: str) -> Iterator[_Field]:
    """Yield the fields in the header of METADATA, each with its continuation lines.

    Joined, their `lines` are the header: it ends at the first line that is empty or is no field.
    """
    lines: list[str] = []
    for line in itertools.chain((match[0] for match in _LINE.finditer(text)), [""]):
        if line.startswith((" ", "\t")) and lines:
            lines.append(line)
            continue
        if lines:
            field = _FIELD.match("".join(lines))
            if field is None:
                return
            yield _Field(key=field["key"].lower(), value=field["value"].rstrip("\r\n"), lines="".join(lines))
        if not line.strip("\r\n"):
            return
        lines = [line]


def _rewrite_metadata(text: str, targets: tuple[TargetPython, ...]) -> tuple[str, list[Rewrite]]:
    rewrites: list[Rewrite] = []
    header: list[str] = []
    end = 0
    for field in _fields(text):
        end += len(field.lines)
        rewrite = _FIELD_REWRITERS.get(field.key)
        value = field.value if rewrite is None else rewrite(field.value, targets)
        if value == field.value:
            header.append(field.lines)
            continue
        key = field.lines.partition(":")[0]
        line = "" if value is None else f"{key}: {value}"
        header.append(line and f"{line}\n")
        rewrites.append(Rewrite(file=METADATA, before=field.lines.rstrip(), after=line))
    return "".join(header) + text[end:], rewrites


def _rewrite_requirement(value: str, targets: tuple[TargetPython, ...]) -> str | None:
    """The requirement in a form that pex can parse, if need be without its version; None if that does not help."""
    if _is_requirement(value, targets):
        return value
    unfolded = " ".join(value.split())
    head, _, marker = unfolded.partition(";")
    name = _NAME.match(head)
    without_version = f"{name[0].strip()}{f' ; {marker.strip()}' if marker.strip() else ''}" if name else ""
    return next((each for each in (unfolded, without_version) if _is_requirement(each, targets)), None)


_NAME: Final = re.compile(r"\s*[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*(?:\[[^\]]*\])?")
"""The name and the extras at the beginning of a requirement."""


def _is_requirement(value: str, targets: tuple[TargetPython, ...]) -> bool:
    """Whether pex can parse a requirement, and evaluate its marker for all of `targets`."""
    try:
        marker = Requirement(value).marker
    except InvalidRequirement:
        return False
    return marker is None or all(target.satisfies(marker) is not None for target in targets)


def _rewrite_requires_python(value: str, targets: tuple[TargetPython, ...]) -> str | None:
    """The specifiers, or None if pex cannot parse them or if they forbid a Python that Poetry installed for."""
    try:
        specifiers = SpecifierSet(value)
    except InvalidSpecifier:
        return None
    versions = (target.markers["python_full_version"] for target in targets)
    return value if all(specifiers.contains(version, prereleases=True) for version in versions) else None


_FIELD_REWRITERS: Final[Mapping[str, Callable[[str, tuple[TargetPython, ...]], str | None]]] = {
    "requires-dist": _rewrite_requirement,
    "requires-python": _rewrite_requires_python,
}


def _rewrite_wheel(text: str, targets: tuple[TargetPython, ...]) -> tuple[str, list[Rewrite]]:
    """WHEEL with the tag of a wheel for every Python, if none of its own tags fits.

    Poetry chose the wheel by the tags in its file name; these may differ, for example if the file was renamed.
    """
    tags = re.findall(r"^Tag:[ \t]*(\S+)[ \t]*\r?\n?", text, re.MULTILINE)
    if not tags or all(not target.tags or _fits(tags, target) for target in targets):
        return text, []
    rest = re.sub(r"^Tag:.*\n?", "", text, flags=re.MULTILINE).rstrip("\r\n")
    before = ", ".join(f"Tag: {tag}" for tag in tags)
    return f"{rest}\n{_ANY_PYTHON}\n", [Rewrite(file="WHEEL", before=before, after=_ANY_PYTHON)]


_ANY_PYTHON: Final = "Tag: py3-none-any"


def _fits(tags: Iterable[str], target: TargetPython) -> bool:
    return any(not target.tags.isdisjoint(parse_tag(tag)) for tag in tags if tag.count("-") >= _HYPHENS)


_HYPHENS: Final = 2
"""The number of hyphens in a tag (PEP 425)."""


def _rewrite_entry_points(text: str, _targets: tuple[TargetPython, ...]) -> tuple[str, list[Rewrite]]:
    """`entry_points.txt` with each entry on one line, and without entries whose value pex cannot parse."""
    lines = [line.strip() for line in text.splitlines()]
    if all(_is_entry_line(line) for line in lines):
        return text, []
    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names of entry points are case-sensitive
    try:
        parser.read_string(text)
    except ConfigParserError:
        return text, []  # no installer could read it either
    written: list[str] = []
    rewrites: list[Rewrite] = []
    for group in parser.sections():
        written.append(f"[{group}]")
        for name, value in parser[group].items():
            line = f"{name} = {' '.join(value.split())}".rstrip()
            after = line if _is_entry_line(line) else ""
            written += [after] if after else []
            if "\n" in value or not after:
                rewrites.append(Rewrite(file=ENTRY_POINTS, before=f"{name} = {value}".rstrip(), after=after))
    return "".join(f"{line}\n" for line in written), rewrites


def _startable_scripts(text: str, libraries: Sequence[Library]) -> tuple[str, list[Rewrite]]:
    """`entry_points.txt` with object references of scripts that pex can start, in the binary and in its `bin`."""
    written: list[str] = []
    rewrites: list[Rewrite] = []
    group = ""
    for line in text.splitlines(keepends=True):
        entry = line.strip()
        name, _, reference = (part.strip() for part in entry.partition("="))
        if entry.startswith("["):
            group = entry[1:-1]
        elif group in _SCRIPT_GROUPS and reference and not entry.startswith("#"):
            found = launcher.startable(reference, libraries)
            if found != launcher.normalized(reference):
                _, bracket, extras = reference.partition("[")
                after = f"{name} = {found}{f' [{extras}' if bracket else ''}"
                rewrites.append(Rewrite(file=ENTRY_POINTS, before=entry, after=after))
                written.append(line.replace(entry, after))
                continue
        written.append(line)
    return "".join(written), rewrites


_SCRIPT_GROUPS: Final = ("console_scripts", "gui_scripts")


def _is_entry_line(line: str) -> bool:
    """Whether pex can parse a line of `entry_points.txt`."""
    if not line or line.startswith("#") or (line.startswith("[") and line.endswith("]")):
        return True
    name, _, value = line.partition("=")
    module, colon, attribute = value.partition("[")[0].partition(":")
    return line.count("=") == 1 and bool(name and module.strip()) and bool(attribute.strip() or not colon)


_REWRITERS: Final[Mapping[str, Callable[[str, tuple[TargetPython, ...]], tuple[str, list[Rewrite]]]]] = {
    METADATA: _rewrite_metadata,
    "WHEEL": _rewrite_wheel,
    ENTRY_POINTS: _rewrite_entry_points,
}
