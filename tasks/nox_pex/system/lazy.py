"""Modules and regular expressions that are slow to import or compile, and often not needed: at their first use."""

from __future__ import annotations

import gc
import importlib
import re
import sys
from types import ModuleType
from typing import Any, cast


class _Lazy(ModuleType):
    """A stand-in that imports the module of its name when one of its attributes is read, from any thread."""

    def __getattr__(self, name: str) -> Any:
        known = self.__name__ in sys.modules  # perhaps not complete, so `import_module` waits for the other thread
        return getattr((importlib.import_module if known else imported)(self.__name__), name)


def imported(module: str) -> ModuleType:
    """Import `module`, a dotted name, and return it.

    Meanwhile there is no automatic garbage collection. An import makes many objects, and hardly any of them is garbage,
    but they are enough to start collections that search all objects of the process.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        if enabled:
            gc.enable()


def lazy(module: str) -> Any:
    """Return a stand-in for `module`, a dotted name, which is imported when an attribute is first read.

    Also import the module itself, under `TYPE_CHECKING`, for the type checker and for the test of the imports.
    `importlib.util.LazyLoader` would do the same, but it is not thread-safe before Python 3.12.3.
    """
    return _Lazy(module)


class _LazyPattern:
    """A stand-in that compiles its expression when one of its attributes is read, and then has the same methods."""

    def __init__(self, source: str, flags: int) -> None:
        self._arguments = source, flags

    def __getattr__(self, name: str) -> Any:
        value = getattr(re.compile(*self._arguments), name)
        setattr(self, name, value)
        return value


def pattern(source: str, flags: int = 0) -> re.Pattern[str]:
    """Return a stand-in for `re.compile(source, flags)`, which is compiled when it is first used.

    It has the methods and attributes of a pattern, but the functions of `re` do not take it in place of one.
    """
    return cast("re.Pattern[str]", _LazyPattern(source, flags))
