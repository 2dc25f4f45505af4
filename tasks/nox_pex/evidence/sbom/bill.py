"""The input of a bill of materials, as one value: what `cyclonedx_script.py` writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Kind = Literal["application", "library", "platform", "file"]
"""A type of component in CycloneDX."""


class Licences(Struct, frozen=True, kw_only=True):
    """The statements of a distribution's metadata about its licence.

    `expression` is License-Expression (PEP 639), `text` is License, and `classifiers` are the names of the licences in
    the classifiers: `MIT License`.
    """

    expression: str = ""
    text: str = ""
    classifiers: tuple[str, ...] = ()


class Component(Struct, frozen=True, kw_only=True):
    """A component. `ref` is unique in the bill, and `purl` its package URL, or empty.

    `hashes` are pairs of an algorithm, as in a lock, and a digest. `links` are the type of the link in CycloneDX, its
    URL, and its label. `properties` are pairs of a name and a value.
    """

    ref: str
    type: Kind
    name: str
    version: str
    purl: str = ""
    description: str = ""
    supplier: str = ""
    authors: tuple[str, ...] = ()
    hashes: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str, str], ...] = ()
    licences: Licences = Licences()
    properties: tuple[tuple[str, str], ...] = ()


class Tool(Struct, frozen=True, kw_only=True):
    """The program that makes the bill."""

    name: str
    version: str


class Bill(Struct, frozen=True, kw_only=True):
    """A bill of materials: of the file `root`, made of `components`.

    `timestamp` is in the form of RFC 3339. `dependencies` are the refs that each ref needs. `graph` says whether these
    are all of them: `unknown` if the Python of the file is not known. `properties` are those of the whole bill.
    """

    root: Component
    components: tuple[Component, ...]
    dependencies: Mapping[str, tuple[str, ...]]
    graph: Literal["complete", "unknown"]
    timestamp: str
    author: str
    tool: Tool
    properties: tuple[tuple[str, str], ...] = ()
