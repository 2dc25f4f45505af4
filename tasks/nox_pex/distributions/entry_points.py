"""The entry points of a distribution, in `entry_points.txt` (PyPA specification "Entry points")."""

from __future__ import annotations

from collections.abc import Mapping
from configparser import ConfigParser

from nox_pex.distributions.environment import Distribution, text_of


def entry_points(distribution: Distribution, group: str = "console_scripts") -> Mapping[str, str]:
    """Return the entry points of `group` in an installed distribution, name to object reference."""
    return parse_entry_points(text_of(distribution.directory / "entry_points.txt"), group)


def parse_entry_points(text: str, group: str = "console_scripts") -> Mapping[str, str]:
    """Return the entry points of `group` in the text of an `entry_points.txt`, name to object reference."""
    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names of entry points are case-sensitive
    parser.read_string(text)
    return dict(parser[group]) if parser.has_section(group) else {}
