"""The setting `exclude`: the distributions that do not ship although Poetry installed them (pex's `--exclude`)."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name


def is_excluded(name: str, version: str, exclude: Iterable[str]) -> bool:
    """Return whether one of the requirements `exclude` matches the distribution `name`, normalized, of this version."""
    for text in exclude:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # pex itself refuses it
        if canonicalize_name(requirement.name) == name and requirement.specifier.contains(version, prereleases=True):
            return True
    return False
