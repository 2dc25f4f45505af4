"""A Python that distributions are installed for: the markers and the tags that decide what fits it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Mapping

from msgspec import Struct
from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName, default_environment
from packaging.specifiers import InvalidSpecifier
from packaging.tags import Tag, compatible_tags, cpython_tags, platform_tags
from packaging.version import InvalidVersion

from nox_pex.distributions.interpreter import Interpreter


class TargetPython(Struct, frozen=True, kw_only=True):
    """A Python, by its marker environment (PEP 508) and the tags of the wheels that it can install (PEP 425).

    `tags` is empty if they are not known.
    """

    markers: Mapping[str, str]
    tags: frozenset[Tag] = frozenset()

    def satisfies(self, marker: Marker, *, extras: Iterable[str] = ()) -> bool | None:
        """Whether `marker` is true with one of `extras` or without any; None if it cannot be evaluated."""
        try:
            return any(marker.evaluate({**self.markers, "extra": extra}) for extra in ("", *extras))
        except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion, InvalidSpecifier, KeyError):
            return None


def of_this_machine(interpreter: Interpreter) -> TargetPython:
    """Return a Python that is installed on this machine; no process is started."""
    environment: dict[str, str] = {
        **{name: str(value) for name, value in default_environment().items()},
        "python_version": interpreter.minor,
        "python_full_version": interpreter.version,
        "platform_python_implementation": interpreter.implementation,
        "implementation_name": interpreter.implementation.lower(),
    }
    if interpreter.implementation == "CPython":
        environment["implementation_version"] = interpreter.version
    return TargetPython(markers=environment, tags=_tags(interpreter))


@functools.cache  # they are asked for once for each distribution
def _tags(interpreter: Interpreter) -> frozenset[Tag]:
    """The tags of CPython, with those of its free-threaded build; empty for another implementation."""
    if interpreter.implementation != "CPython" or sys.implementation.name != "cpython":
        return frozenset()
    major, minor = map(int, interpreter.minor.split("."))
    name, platforms = f"cp{major}{minor}", tuple(platform_tags())
    return frozenset(
        [
            *cpython_tags((major, minor), abis=[name, f"{name}t"], platforms=platforms),
            *compatible_tags((major, minor), interpreter=name, platforms=platforms),
        ]
    )
