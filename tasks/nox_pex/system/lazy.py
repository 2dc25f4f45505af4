"""Modules that load when they are first used, for what is slow to import and often not needed."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


class _Lazy(ModuleType):
    """A module that is imported when an attribute of it is first read, from whatever thread."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


def lazy(module: str) -> Any:
    """Return a stand-in for `module`, a dotted name; the import happens at the first attribute that is read.

    Import the real module beside it under `TYPE_CHECKING`, so that a type checker, and a test of the imports, see it.
    `importlib.util.LazyLoader` is not used, because it is not safe with threads before Python 3.12.3.
    """
    return _Lazy(module)
