"""The names of the dependencies that `pyproject.toml` lists, by the group or the extra that they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from nox_pex.project.pyproject import MAIN, Project

_FOR_DEVELOPERS: Final = frozenset(
    {"dev", "develop", "development", "test", "tests", "testing", "doc", "docs", "lint", "format", "types", "typing"}
)
"""Names of groups and extras that nobody ships."""


class Required(Struct, frozen=True, kw_only=True):
    """The normalized names of dependencies.

    `main` are those of the group `main`, and `NAME[EXTRA]` for each extra of one. `groups` and `extras` name the group
    or the extra of each other one that may ship.
    """

    main: frozenset[str]
    groups: Mapping[str, str]
    extras: Mapping[str, str]

    def __contains__(self, name: str) -> bool:
        """Whether `name` is a dependency, of whatever group or extra."""
        return name in self.main or name in self.groups or name in self.extras

    def selection_with(self, name: str) -> Mapping[str, list[str]]:
        """Return the keys of a binary that make the dependency `name` ship; none if it ships by default."""
        if name in self.main or name not in self:
            return {}
        return {"groups": [MAIN, self.groups[name]]} if name in self.groups else {"extras": [self.extras[name]]}


def read(project: Project) -> Required:
    """Return the dependencies of `project`."""
    table, poetry = project.document.get("project", {}), project.document.get("tool", {}).get("poetry", {})
    listed = {name: value for name, value in poetry.get("dependencies", {}).items() if not _is_optional(value)}
    main = {*_of_list(table.get("dependencies")), *_of_table(listed)}
    groups: dict[str, str] = {}
    for group, value in {**poetry.get("group", {}), **project.document.get("dependency-groups", {})}.items():
        found = _of_table(value.get("dependencies")) if isinstance(value, dict) else _of_list(value)
        groups.update(dict.fromkeys(found, group) if group.lower() not in _FOR_DEVELOPERS else {})
    extras: dict[str, str] = {}
    for extra, value in {**poetry.get("extras", {}), **table.get("optional-dependencies", {})}.items():
        extras.update(dict.fromkeys(_of_list(value), extra) if extra.lower() not in _FOR_DEVELOPERS else {})
    return Required(main=frozenset(main), groups=groups, extras=extras)


def _is_optional(value: Any) -> bool:
    return isinstance(value, dict) and value.get("optional") is True


def _of_list(value: Any) -> Iterator[str]:
    """Yield the names in a list of requirements; whatever else it is, nothing."""
    for text in value if isinstance(value, list) else ():
        try:
            requirement = Requirement(str(text))
        except InvalidRequirement:  # Poetry reports it
            continue
        yield from _names(requirement.name, requirement.extras)


def _of_table(value: Any) -> Iterator[str]:
    """Yield the names in a table of dependencies as Poetry has it; whatever else it is, nothing."""
    for name, each in value.items() if isinstance(value, dict) else ():
        extras = each.get("extras") if isinstance(each, dict) else None
        yield from _names(name, extras if isinstance(extras, list) else ())


def _names(name: str, extras: Iterable[object]) -> Iterator[str]:
    normal = str(canonicalize_name(name))
    yield normal
    yield from (f"{normal}[{extra}]" for extra in extras)
