"""Explain why a settings table is refused: every part that is wrong, and what to write instead, in the terms of TOML.

msgspec checks every value. The parts to blame are the smallest ones that msgspec refuses by themselves; the rules of a
table are checked without them. msgspec's own messages are not shown, because they name Python's types and not the keys
of a table. A remedy shows only TOML that settles the problem if it is pasted.
"""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from nox_pex.settings import instead, toml_text
from nox_pex.settings.table import BrokenRulesError
from nox_pex.system.wording import nearest

_TOML_TYPES: Final = {"str": "string", "int": "integer", "bool": "boolean", "object": "table", "datetime": "date-time"}
"""TOML's names of the types that msgspec and Python name differently."""


_HOW_TO_WRITE: Final = {
    "string": "write text in quotes",
    "integer": "write a whole number, without quotes",
    "float": "write a number, without quotes",
    "boolean": "write true or false, without quotes",
    "array": "write a list",
    "table": "write a table",
}


_LONGEST: Final = 60
"""The number of characters of a value that are shown."""


_LONGEST_TO_PASTE: Final = 400
"""The number of characters of the longest TOML that a remedy shows."""


REFUSED: Final = msgspec.UNSET
"""In place of a value of which nothing can be used."""


DecodeHook: typing.TypeAlias = Callable[[type, Any], Any]
"""The `dec_hook` of `msgspec.convert`, for types that msgspec does not know."""


Fits: typing.TypeAlias = Callable[[Any], bool]
"""Whether a value in a certain place breaks none of the rules of the table around it that are about that place."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The dotted `path` of the refused part, the `problem` with it, and the `remedy`; each is part of one line."""

    path: str
    problem: str
    remedy: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a value is refused, and the `rest` of it that can be used without those parts; `REFUSED` if there is none."""

    refusals: tuple[Refusal, ...] = ()
    rest: Any = REFUSED


def explain(value: Any, kind: Any, *, path: str, dec_hook: DecodeHook) -> Explanation:
    """Return why `value`, which is at the dotted `path`, is not of the type `kind`, in the order of the document.

    `kind` is a type that `msgspec.convert` knows, with `dec_hook`. If `value` is of that type, nothing is refused.
    """
    return _Explainer(dec_hook=dec_hook).part(value, kind, path, fits=lambda _: True)


def dotted(path: str, key: str) -> str:
    """Return the dotted path, as TOML writes it, of `key` in the table at the dotted `path` (empty: the top level)."""
    return f"{path}.{toml_text.toml_key(key)}" if path else toml_text.toml_key(key)


class _Explainer(msgspec.Struct, frozen=True, kw_only=True):
    """Explains one value, part by part."""

    dec_hook: DecodeHook

    def part(self, value: Any, kind: Any, path: str, *, fits: Fits) -> Explanation:
        """Explain a part. `fits` is for what could be written in its place."""
        error = self._error(value, kind)
        if error is None:
            return Explanation(rest=value)
        if isinstance(value, Mapping):
            if table := instead.table_of(kind):
                return self._table(value, table, path)
            if inside := instead.type_arguments(kind, dict):
                return self._entries(value, inside[1], path, fits=fits)
        elif isinstance(value, list) and (inside := instead.type_arguments(kind, tuple)):
            return self._items(value, inside[0], path, fits=fits)
        return Explanation(refusals=(self._wrong_value(value, kind, path, str(error), fits),))

    def _entries(self, value: Mapping[str, Any], kind: Any, path: str, *, fits: Fits) -> Explanation:
        """Explain a table with keys that the user chooses."""
        parts = {
            key: self.part(part, kind, dotted(path, key), fits=_as_entry(fits, key)) for key, part in value.items()
        }
        rest = {key: part.rest for key, part in parts.items() if part.rest is not REFUSED}
        return Explanation(refusals=_all(parts.values()), rest=rest)

    def _items(self, value: Sequence[Any], kind: Any, path: str, *, fits: Fits) -> Explanation:
        parts = [
            self.part(part, kind, f"{path}[{position}]", fits=lambda new: fits([new]))
            for position, part in enumerate(value)
        ]
        return Explanation(refusals=_all(parts), rest=[part.rest for part in parts if part.rest is not REFUSED])

    def _table(self, value: Mapping[str, Any], table: type[msgspec.Struct], path: str) -> Explanation:
        """Explain a table with fixed keys: first its parts, in their order, and then its rules for the valid parts."""
        fields = {field.encode_name: field for field in msgspec.structs.fields(table)}
        found: list[Refusal] = []
        rest: dict[str, Any] = {}
        unsure: list[str] = []
        valid = {key: part for key, part in value.items() if key in fields and not self._error(part, fields[key].type)}
        for key, part in value.items():
            if key not in fields:
                found.append(unknown := _unknown_key(key, list(fields), path))
                unsure += [near for near in fields if f"use {near}, " in unknown.remedy]
                continue
            others = {other: each for other, each in valid.items() if other != key}

            def fits(new: Any, *, key: str = key, others: Mapping[str, Any] = others) -> bool:
                return not any(_mentions(rule, key) for rule in self._broken_rules({**others, key: new}, table))

            explained = self.part(part, fields[key].type, dotted(path, key), fits=fits)
            found += explained.refusals
            if explained.refusals and not (isinstance(part, Mapping) and isinstance(explained.rest, dict)):
                unsure.append(key)
            if explained.rest is not REFUSED:
                rest[key] = explained.rest
        broken = self._check_rules(value, rest, table, path, unsure=unsure)
        return Explanation(refusals=(*found, *broken.refusals), rest=broken.rest)

    def _check_rules(
        self,
        value: Mapping[str, Any],
        rest: dict[str, Any],
        table: type[msgspec.Struct],
        path: str,
        *,
        unsure: Collection[str],
    ) -> Explanation:
        """Explain which rules the valid parts of a table, `rest`, break, and which keys are missing.

        Nothing is said of the keys that are `unsure`, because their parts are wrong.
        """
        found: list[Refusal] = []
        fields = msgspec.structs.fields(table)
        missing = [field.encode_name for field in fields if field.required and field.encode_name not in rest]
        shown = _example(table)
        for key in missing:
            if key not in value and key not in unsure:
                written = f"{key} = {toml_text.toml(shown[key])}" if key in shown else key
                found.append(Refusal(path=path, problem=f"the key {key} is missing", remedy=f"add {written}"))
        filled = rest | {key: shown[key] for key in missing if key in shown}
        broken = self._broken_rules(filled, table)
        found += [
            self._broken_rule(filled, table, path, rule)
            for rule in broken
            if not any(_mentions(rule, key) for key in (*unsure, *missing))
        ]
        return Explanation(refusals=tuple(found), rest=REFUSED if broken or missing else rest)

    def _broken_rules(self, value: Mapping[str, Any], table: type[msgspec.Struct]) -> tuple[str, ...]:
        """Return the rules that a table breaks of which each part is valid."""
        error = self._error(value, table)
        if error is None:
            return ()
        cause = error.__cause__
        return cause.broken if isinstance(cause, BrokenRulesError) else (str(error),)

    def _broken_rule(self, value: Mapping[str, Any], table: type[msgspec.Struct], path: str, message: str) -> Refusal:
        """Return the refusal for a rule of `BrokenRulesError`.

        It is about the key that the text begins with ("`key`: …"), or else about the only key without which the table
        is valid.
        """
        if named := re.match(r"`([^`]+)`: ", message):
            path, message = f"{path}.{named[1]}" if path else named[1], message[named.end() :]
        else:
            to_blame = [key for key in value if not self._error(_without(value, key), table)]
            path = dotted(path, to_blame[0]) if len(to_blame) == 1 else path
        problem, remedy = message.rsplit("; ", 1) if "; " in message else (message, "correct it")
        return Refusal(path=path, problem=problem, remedy=remedy)

    def _wrong_value(self, value: Any, kind: Any, path: str, message: str, fits: Fits) -> Refusal:
        """Return the refusal of a single value: msgspec's `message` in the terms of TOML, and what to write instead."""
        allowed = instead.choices(kind)
        expected = re.match(r"Expected `(?P<types>[^`]+)`(?P<limit>.*?)(?:, got .*)?$", message)
        to_paste = next(self._fitting(instead.conversions(value, kind), kind, fits), None)
        if allowed:
            near = nearest(value if isinstance(value, str) else _shown(value), map(str, allowed))
            to_paste = to_paste or (toml_text.toml(near) if near else None)
            remedy = f"use {to_paste}" if to_paste else "use one of them"
            problem = f"expected one of {', '.join(map(_shown, allowed))}, got {_shown(value)}"
        elif expected and expected["limit"]:
            problem = f"expected a value {expected['limit'].strip()}, got {_shown(value)}"
            remedy = "write a value within that limit"
        elif expected:
            kinds = [_TOML_TYPES.get(name, name) for name in expected["types"].split(" | ") if name != "null"]
            problem = f"expected {' or '.join(kinds)}, got {_described(value)}"
            remedy = f"write {to_paste}" if to_paste else self._how_to_write(kinds[0], kind, fits)
        else:
            problem, remedy = f"{_described(value)} is not valid: {message}", "correct it"
        return Refusal(path=path, problem=problem, remedy=remedy)

    def _how_to_write(self, name: str, kind: Any, fits: Fits) -> str:
        """Return how to write a value of the TOML type `name`, with an example if one fits."""
        how = _HOW_TO_WRITE.get(name, "correct it")
        of_type = instead.example(kind)
        fitting = next(
            self._fitting([of_type] if of_type is not None and name in _WITH_EXAMPLE else [], kind, fits), ""
        )
        return f"{how}, as in {fitting}" if fitting else how

    def _fitting(self, candidates: Iterable[str], kind: Any, fits: Fits) -> Iterator[str]:
        """Yield those of `candidates`, which are TOML, that are valid values of the type `kind` in their place."""
        for text in candidates:
            if len(text) <= _LONGEST_TO_PASTE:
                value = tomllib.loads(f"value = {text}")["value"]
                if not self._error(value, kind) and fits(value):
                    yield text

    def _error(self, value: Any, kind: Any) -> msgspec.ValidationError | None:
        try:
            msgspec.convert(value, kind, dec_hook=self.dec_hook)
        except msgspec.ValidationError as error:
            return error
        return None


_WITH_EXAMPLE: Final = ("string", "array", "table")


def _example(table: type[msgspec.Struct]) -> Mapping[str, Any]:
    """Return a valid table, with the keys that it must have."""
    found: Mapping[str, Any] = tomllib.loads(f"table = {instead.example(table) or '{}'}")["table"]
    return found


def _as_entry(fits: Fits, key: str) -> Fits:
    """Return `fits` for the value of `key` in a table of which the place is known."""
    return lambda value: fits({key: value})


def _all(parts: Iterable[Explanation]) -> tuple[Refusal, ...]:
    return tuple(refusal for part in parts for refusal in part.refusals)


def _unknown_key(key: str, keys: Sequence[str], path: str) -> Refusal:
    """Return the refusal of a key that a table with `keys` does not have, with the nearest one that it has."""
    near = nearest(key.lower().replace("_", "-"), keys)
    remedy = f"use {near}, the nearest valid key" if near else f"valid keys are {', '.join(keys)}"
    return Refusal(path=dotted(path, key), problem="unknown key", remedy=remedy)


def _mentions(rule: str, key: str) -> bool:
    """Whether the text of a rule names a key."""
    return re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", rule) is not None


def _without(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {other: value for other, value in table.items() if other != key}


def _described(value: Any) -> str:
    """Return the TOML type of a value; after it the value, if it is a single one."""
    if isinstance(value, Mapping):
        return "table"
    if isinstance(value, list):
        return "array"
    name = type(value).__name__
    return f"{_TOML_TYPES.get(name, name)} {_shown(value)}"


def _shown(value: Any) -> str:
    """Return a value as TOML writes it, cut off if it is long."""
    text = toml_text.toml(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
