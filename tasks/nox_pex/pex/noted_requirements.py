"""The requirements that pex notes in PEX-INFO: the project's wheel, and the pins that it does not demand itself.

Fact source: pex 2.105 (`pex.bin.pex.build_pex`, `pex.resolve.project.BuiltProject`, `pex.dist_metadata.Requirement`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.distributions.target_python import TargetPython
from nox_pex.pex.disagreements import Member


def noted(pins: Iterable[str], *, project: Member | None, pythons: Sequence[TargetPython]) -> list[str]:
    """Return the requirements in PEX-INFO, sorted.

    `pins` are `name==version`, with a marker or without, of the distributions that ship. `project` is the project's own
    wheel, None if it is no package. `pythons` are those that the binary is for.
    """
    found = [] if project is None else [f"{project.info.field('Name')}=={project.info.field('Version')}"]
    own = set() if project is None else set(_pinned_by(project, pythons))
    found += (
        f"{pin.name}{pin.specifier}{f'; {pin.marker}' if pin.marker else ''}"
        for pin in map(Requirement, pins)
        if pin.marker is not None or (canonicalize_name(pin.name), pin.specifier) not in own
    )
    return sorted(set(found))


def _pinned_by(project: Member, pythons: Sequence[TargetPython]) -> Iterator[tuple[NormalizedName, SpecifierSet]]:
    """Yield the requirements of the project's wheel that apply, and that pex could take for pins."""
    for requirement in map(Requirement, project.info.requirements):
        applies = requirement.marker is None or any(python.satisfies(requirement.marker) for python in pythons)
        if applies and not requirement.extras and requirement.url is None:
            yield canonicalize_name(requirement.name), requirement.specifier
