"""Modules that are imported at their first use: they are slow to import, and often not needed."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


class _Lazy(ModuleType):
    """A stand-in that imports the module of its name when one of its attributes is read, from any thread."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


def lazy(module: str) -> Any:
    """Return a stand-in for `module`, a dotted name, which is imported when an attribute is first read.

    Also import the module itself, under `TYPE_CHECKING`, for the type checker and for the test of the imports.
    `importlib.util.LazyLoader` would do the same, but it is not thread-safe before Python 3.12.3.
    """
    return _Lazy(module)
