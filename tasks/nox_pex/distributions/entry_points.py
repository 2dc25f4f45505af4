"""The entry points of a distribution, in `entry_points.txt` (PyPA specification "Entry points"), and its scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigParserError

from msgspec import Struct

from nox_pex.distributions.environment import Distribution, text_of


class Script(Struct, frozen=True, kw_only=True):
    """A program that a distribution installs into `bin`, by its file name.

    `reference` is the object reference from which installers generate it; None if it is a file of the distribution.
    """

    name: str
    distribution: str
    reference: str | None = None


def entry_points(distribution: Distribution, group: str = "console_scripts") -> Mapping[str, str]:
    """Return the entry points of `group` in an installed distribution, name to object reference."""
    return parse_entry_points(text_of(distribution.directory / "entry_points.txt"), group)


def parse_entry_points(text: str, group: str = "console_scripts") -> Mapping[str, str]:
    """Return the entry points of `group` in the text of an `entry_points.txt`, name to object reference.

    A text that is not in that format has none: no installer could read it either.
    """
    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names of entry points are case-sensitive
    try:
        parser.read_string(text)
    except ConfigParserError:
        return {}
    return dict(parser[group]) if parser.has_section(group) else {}


def generated_scripts(text: str) -> Mapping[str, str]:
    """Return the entry points from which installers generate scripts, name to object reference.

    `text` is an `entry_points.txt`. If a name is that of a console script and of a GUI script, pex takes the first.
    """
    return {**parse_entry_points(text, "gui_scripts"), **parse_entry_points(text)}


def scripts_of(distribution: str, *, entry_points: str, files: Iterable[str]) -> Iterator[Script]:
    """Yield the scripts of a distribution: those of its `entry_points.txt`, then its own `files` in `bin`, by name."""
    generated = generated_scripts(entry_points)
    for name, reference in generated.items():
        yield Script(name=name, distribution=distribution, reference=reference)
    for name in files:
        if name not in generated and "/" not in name:
            yield Script(name=name, distribution=distribution)
