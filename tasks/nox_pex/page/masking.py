"""The data of a page without secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

_S = TypeVar("_S", bound=Struct)


def masked(found: _S, mask: Callable[[str], str]) -> _S:
    """Return a value of the model with every secret masked. What has none stays the same object."""
    texts = dict.fromkeys(_texts(msgspec.to_builtins(found)))
    replaced = {text: changed for text in texts if (changed := mask(text)) != text}
    result: _S = _with(found, replaced) if replaced else found
    return result


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a value of JSON, and every key."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            waiting += each.keys()
            waiting += each.values()
        elif isinstance(each, list | tuple):
            waiting += each


_FIXED: Final = frozenset({"outcome", "standing", "state", "kind", "change", "by", "layout"})
"""Fields whose texts are those of nox-pex itself: a secret may be such a word."""


def _with(value: Any, replaced: Mapping[str, str]) -> Any:
    """Return a value of the model with texts replaced."""
    if isinstance(value, str):
        return replaced.get(value, value)
    if isinstance(value, dict):
        return {replaced.get(key, key): _with(each, replaced) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_with(each, replaced) for each in value)
    if isinstance(value, Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__ if name not in _FIXED}
        changes = {name: new for name, each in fields.items() if (new := _with(each, replaced)) is not each}
        return msgspec.structs.replace(value, **changes) if changes else value
    return value
