"""The groups and extras that one environment contains."""

from __future__ import annotations

import hashlib

from msgspec import Struct
from packaging.utils import canonicalize_name

from nox_pex.errors import Code, NoxPexError
from nox_pex.project.pyproject import Project
from nox_pex.settings.model import Binary, Settings
from nox_pex.system.wording import did_you_mean


class Selection(Struct, frozen=True, order=True):
    """The dependency groups and extras that one environment contains, normalized and sorted."""

    groups: tuple[str, ...]
    extras: tuple[str, ...]

    @property
    def key(self) -> str:
        """A short name for directories, the same for equal selections."""
        return hashlib.sha256(repr((self.groups, self.extras)).encode()).hexdigest()[:12]

    def __str__(self) -> str:
        extras = f", extras {', '.join(self.extras)}" if self.extras else ""
        return f"group{'s' if len(self.groups) > 1 else ''} {', '.join(self.groups)}{extras}"


def selection(settings: Settings, binary: Binary, project: Project) -> Selection:
    """Return the groups and extras that `binary` needs: its own, or those of the settings.

    Raises `NoxPexError` `poetry-missing-group` or `config` if the project has no such group or extra.
    """
    groups = binary.groups if binary.groups is not None else settings.groups
    extras = binary.extras if binary.extras is not None else settings.extras
    wanted = Selection(
        groups=tuple(sorted({canonicalize_name(group) for group in groups})),
        extras=tuple(sorted({canonicalize_name(extra) for extra in extras})),
    )
    kinds: tuple[tuple[Code, str, tuple[str, ...], frozenset[str]], ...] = (
        ("poetry-missing-group", "group", wanted.groups, project.groups),
        ("config", "extra", wanted.extras, project.extras),
    )
    for code, kind, names, known in kinds:
        for name in names:
            if name not in known:
                remedy = did_you_mean(name, known, otherwise="it has")
                raise NoxPexError(code, f"{project.file} has no {kind} {name!r}, but the settings name it", remedy)
    return wanted
