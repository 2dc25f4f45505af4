"""The bill of materials in `dist` about one file, with the licences in it. Anybody may have written it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from nox_pex.evidence.sbom import licence_check
from nox_pex.evidence.sbom.bill import Bill, Component, Licences, Tool
from nox_pex.evidence.sbom.policy import Policy
from nox_pex.evidence.sbom.write import Declared
from nox_pex.page.model import Standing
from nox_pex.system import files, strict_json

_Text = Annotated[str, Meta(max_length=4000)]


_LARGEST: Final = 32 << 20
"""Bytes of a bill that is read. One of ten thousand distributions has less."""


_TREE: Final = "nox-pex:tree-sha256"
"""The property with the digest of a binary that is a directory, which has no hash in the bill."""


_JOINED: Final = (" OR ", " AND ", " WITH ")
"""An expression has one of these; the bill has it as a name if there are several licences."""


_MOST_PARENTHESES: Final = 20
"""Parentheses in an expression. One of a thousand levels would exceed Python's stack."""


_LONGEST_NAME: Final = 100
"""Characters of the name of a licence that is made of its text."""


class BillFile(Struct, frozen=True, kw_only=True):
    """A bill of materials, and its standing. `licences` are those of each of its `components` by its ref."""

    standing: Standing
    components: tuple[Component, ...] = ()
    licences: Mapping[str, Declared] = {}
    serial: str = ""
    note: str = ""


class _Hash(Struct, frozen=True):
    alg: _Text
    content: _Text


class _Property(Struct, frozen=True):
    name: _Text = ""
    value: _Text = ""


class _Root(Struct, frozen=True):
    hashes: tuple[_Hash, ...] = ()
    properties: tuple[_Property, ...] = ()


class _Metadata(Struct, frozen=True):
    component: _Root


class _Licence(Struct, frozen=True):
    id: _Text = ""
    name: _Text = ""


class _Choice(Struct, frozen=True):
    expression: _Text = ""
    license: _Licence = _Licence()


class _Component(Struct, frozen=True, rename={"ref": "bom-ref"}):
    ref: _Text = ""
    name: _Text = ""
    version: _Text = ""
    licenses: Annotated[tuple[_Choice, ...], Meta(max_length=1000)] = ()


class _Bom(Struct, frozen=True, rename="camel"):
    bom_format: _Text
    metadata: _Metadata
    components: Annotated[tuple[_Component, ...], Meta(max_length=100_000)] = ()
    serial_number: _Text = ""


def read(path: Path, *, sha256: str) -> BillFile:
    """Return the bill of materials in `path`, if it is about the file with this SHA-256."""
    try:
        content = files.read_bytes(path, most=_LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        return BillFile(standing="not-run")
    except OSError as error:
        return BillFile(standing="unreadable", note=f"it cannot be read: {error.strerror}")
    try:
        bom = msgspec.convert(strict_json.parse(content), _Bom)
    except (ValueError, RecursionError) as error:
        return BillFile(standing="unreadable", note=f"it is not a bill of materials that nox-pex writes: {error}")
    root = bom.metadata.component
    about = {each.content.lower() for each in root.hashes if each.alg == "SHA-256"}
    about |= {each.value for each in root.properties if each.name == _TREE}
    if about != {sha256}:
        return BillFile(standing="other-file", note="there is one, about another file")
    return BillFile(
        standing="current",
        components=tuple(
            Component(ref=each.ref, type="library", name=each.name, version=each.version) for each in bom.components
        ),
        licences={each.ref: _declared(each.licenses) for each in bom.components},
        serial=bom.serial_number,
    )


def _declared(choices: tuple[_Choice, ...]) -> Declared:
    texts = [(each.expression or each.license.id or each.license.name, each.license.name) for each in choices]
    expressions = [text for text, name in texts if _is_expression(text, name)]
    names = [text for text, name in texts if text and not _is_expression(text, name)]
    return Declared(expressions=tuple(expressions), names=tuple(names))


def _is_expression(text: str, name: str) -> bool:
    """Whether the `text` of a licence, which may be a mere `name`, is an expression that a policy can read."""
    is_name = text == name and not any(word in text for word in _JOINED)
    return bool(text) and not is_name and text.count("(") <= _MOST_PARENTHESES


def from_metadata(licences: Licences) -> Declared:
    """Return the licences in the metadata of a distribution as it has them: only its expression is one of SPDX."""
    if licences.expression:
        return Declared(expressions=(licences.expression,))
    lines = licences.text.splitlines()[:1]
    short = tuple(line for line in lines if len(line) <= _LONGEST_NAME)
    return Declared(names=licences.classifiers or short or tuple(f"{line[:_LONGEST_NAME]}…" for line in lines))


def refused(found: BillFile, rules: Policy, *, project: str) -> tuple[str, ...]:
    """Return each distribution with a licence that `rules` do not allow, as an error shows it."""
    if found.standing != "current" or not (rules.allow or rules.deny):
        return ()
    root = Component(ref="", type="application", name=project, version="")
    bill = Bill(
        root=root,
        components=found.components,
        dependencies={},
        graph="unknown",
        timestamp="",
        author="",
        tool=Tool(name="", version=""),
    )
    return tuple(each.shown for each in licence_check.refused(bill, found.licences, rules, project=project))
