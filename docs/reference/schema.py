"""The JSON Schema of the settings (draft 7).

It has no `$ref`. Taplo, which checks TOML files in editors, loses what is next to one, such as the description of a
key, and resolves those in another file wrongly. And a value of several types is a list of types, not `anyOf`: of the
latter, all tools only say that no alternative fits.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import msgspec

from nox_pex import site
from nox_pex.settings.model import Settings
from nox_pex.settings.table import Table
from reference import keys, words

Schema: TypeAlias = dict[str, Any]


_TYPES: Final[Mapping[Any, str]] = {
    str: "string",
    Path: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
}
"""JSON Schema's names of Python's types."""


_LIMITS: Final = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
"""JSON Schema's names of the limits in `msgspec.Meta`."""


ENTRIES: Final = ("script", "entry-point", "executable")
"""The keys of which a binary has exactly one."""


_SETTINGS: Final = Path(__file__).parents[1] / "settings.md"


_LINK: Final = re.compile(r"\[(?P<text>[^]]+)\]\((?P<page>[\w/-]+)\.md(?:#(?P<anchor>[\w-]+))?\)")


def settings() -> Schema:
    """Return the schema of the table `[tool.nox-pex]`."""
    schema = _of_table(Settings)
    binary = schema["properties"]["binary"]["additionalProperties"]
    binary["dependencies"] = {key: of_object({each: False for each in ENTRIES if each != key}) for key in ENTRIES}
    # A schema cannot read the file of `extends`, and the entry of a binary may be there.
    first, *rest = ENTRIES
    without_others = of_object(dict.fromkeys(rest, False))
    entry = _if(without_others, then={**of_object({first: True}), "required": [first]})
    own = of_object({"binary": {"type": "object", "additionalProperties": entry}})
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": f"{site.DOCS}settings.schema.json",
        **schema,
        **_if(of_object({"extends": False}), then=own),
    }


def _if(condition: Schema, *, then: Schema) -> Schema:
    """Return the keywords for a condition on a table. Tombi needs an `else` that allows everything."""
    return {"if": condition, "then": then, "else": of_object({})}


def text(schema: Schema) -> str:
    """Return a schema as the content of a file."""
    return f"{json.dumps(schema, indent=2, ensure_ascii=False)}\n"


def of_object(properties: Schema) -> Schema:
    """Return the schema of a table with these keys, among others, which Tombi (an editor's tool) otherwise refuses."""
    return {"type": "object", "properties": properties, "additionalProperties": True}


def _of_table(table: type[Table]) -> Schema:
    found = keys.keys(table)
    required = [key.name for key in found if key.default is msgspec.NODEFAULT]
    page = site.page("settings", anchor=anchor(table))
    first = (inspect.getdoc(table) or "").partition("\n\n")[0]
    return {
        "description": plain(" ".join(first.split()), page=page),
        "type": "object",
        "properties": {key.name: _of_key(key, page) for key in found},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _of_key(key: keys.Key, page: str) -> Schema:
    """Return the schema of a key, with its description, and with its default unless the description says it in words.

    `page` is the address about the table of the key. TOML has no null: None means that there is no value.
    """
    schema = _of(key.kind)
    of_value = next(keys.tables_in(key.kind), None)
    page = page if of_value is None else site.page("settings", anchor=anchor(of_value))
    if key.default is msgspec.NODEFAULT:
        return {**schema, "description": plain(key.description, page=page)}
    if key.default is None or key.default is msgspec.UNSET:
        text = key.description if "default" in key.description else f"{key.description} Not set by default."
        return {**schema, "description": plain(text, page=page)}
    return {**schema, "description": plain(key.description, page=page), "default": words.as_json(key.default)}


def _of(annotation: Any) -> Schema:
    """Return the schema of a type. Raises `KeyError` for one that no key has had yet."""
    if annotation is Any:
        return {"type": ["array", "boolean", "number", "object", "string"], "additionalProperties": True}
    if annotation in _TYPES:
        return {"type": _TYPES[annotation]}
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return _of_table(annotation)
    return _WRITERS[get_origin(annotation)](*get_args(annotation))


def _limited(kind: Any, meta: msgspec.Meta) -> Schema:
    limits = {name: getattr(meta, limit) for limit, name in _LIMITS.items() if getattr(meta, limit) is not None}
    return {**_of(kind), **limits}


def _either(*kinds: Any) -> Schema:
    """Return the schema of a value of several types, of which each keyword but `type` concerns only one.

    Raises `KeyError` if that cannot be expressed so.
    """
    alternatives = [_of(kind) for kind in kinds if kind is not NoneType and kind is not msgspec.UnsetType]
    if len(alternatives) == 1:
        return alternatives[0]
    keywords = [keyword for each in alternatives for keyword in each if keyword != "type"]
    if "enum" in keywords or len({*keywords}) < len(keywords):
        raise KeyError(kinds)
    merged = {keyword: value for each in alternatives for keyword, value in each.items()}
    return {**merged, "type": [each["type"] for each in alternatives]}


def _mapping(_: Any, value: Any) -> Schema:
    return {"type": "object", "additionalProperties": _of(value)}


_WRITERS: Final[Mapping[Any, Callable[..., Schema]]] = {
    Annotated: _limited,
    Literal: lambda *values: {"type": "string", "enum": list(values)},
    UnionType: _either,
    Union: _either,
    tuple: lambda item, _: {"type": "array", "items": _of(item)},
    dict: _mapping,
}
"""Returns the schema of an annotation from its parts, by its origin."""


def plain(markdown: str, *, page: str) -> str:
    """Return a description without links. In a second line follows the address of the first one, or else `page`."""
    link = _LINK.search(markdown)
    words_alone = _LINK.sub(r"\g<text>", markdown)
    return f"{words_alone}\n{site.page(link['page'], anchor=link['anchor'] or '') if link else page}"


def anchor(table: type[Table]) -> str:
    """Return the anchor of the heading above a table in `settings.md`, as GitHub makes it: `toolnox-pex`."""
    before, _, _ = _SETTINGS.read_text("utf-8").partition(f"<!-- settings: {table.__name__} -->")
    heading = re.findall(r"^##+ (.+)$", before, re.MULTILINE)[-1]
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
