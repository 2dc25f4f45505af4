"""The distributions of a PEX that pex activates on a platform, in its order: which of two has a file depends on it.

Fact source: pex 2.105 (`pex.environment.PEXEnvironment.resolve_dists`).
"""

from __future__ import annotations

import email.parser
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion

from nox_pex.distributions.pex_file import PexError, distribution_name, distribution_version
from nox_pex.distributions.pex_info import PexInfo
from nox_pex.image.base_image import ImagePython
from nox_pex.image.compatibility import marker_environment
from nox_pex.platforms.platform import Platform


class ImageTarget(Struct, frozen=True, kw_only=True):
    """The Python in an image, for the choice of wheels: its environment markers (PEP 508), its tags (PEP 425).

    `ranked` is the platform with the order of the tags, None if the binary is for one platform alone.
    """

    markers: Mapping[str, str]
    tags: frozenset[Tag]
    ranked: Platform | None

    @classmethod
    def of(cls, python: ImagePython, platform: Platform | None) -> ImageTarget:
        """Return the target for the base's Python, and for the `platform` if the binary is for several."""
        markers = marker_environment(python, python.version) if platform is None else platform.markers
        return cls(markers=markers, tags=python.tags(), ranked=platform)

    @property
    def identity(self) -> list[object]:
        """JSON values that decide the choice."""
        tags = self.ranked.tags if self.ranked is not None else sorted(map(str, self.tags))
        return [dict(self.markers), list(tags), self.ranked is not None]

    def applies(self, requirement: Requirement, extras: Iterable[str] = ()) -> bool:
        """Whether a requirement applies here, with one of `extras` or without any."""
        marker = requirement.marker
        try:
            return marker is None or any(marker.evaluate({**self.markers, "extra": extra}) for extra in ("", *extras))
        except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion, InvalidSpecifier, KeyError):
            return True

    def best(self, wheels: Sequence[str]) -> str | None:
        """Return the best of several wheels of a distribution; None if none can be installed here."""
        if self.ranked is not None:
            return self.ranked.best_wheel(wheels)
        if len(wheels) == 1:
            return wheels[0]
        return next((wheel for wheel in sorted(wheels) if self._fits(wheel)), None)

    def _fits(self, wheel: str) -> bool:
        try:
            return not self.tags.isdisjoint(parse_wheel_filename(wheel)[3])
        except InvalidWheelFilename:
            return True


def activated(info: PexInfo, target: ImageTarget, *, metadata: Callable[[str], bytes]) -> tuple[str, ...]:
    """Return the wheels that pex activates on `target`, in its order. `metadata` returns the METADATA of a wheel.

    Raises `PexError` if a distribution that is needed has no wheel for it.
    """
    roots = list(_requirements(info.requirements))
    chosen = _chosen(info, roots, target)
    order: dict[str, None] = {}
    seen: set[tuple[NormalizedName, frozenset[str]]] = set()

    def resolve(requirement: Requirement) -> None:
        waiting = [iter([requirement])]
        while waiting:
            each = next(waiting[-1], None)
            if each is None:
                waiting.pop()
                continue
            name, extras = canonicalize_name(each.name), frozenset(each.extras)
            wheel = chosen.get(name)
            if wheel is None or any(known == name and extras <= others for known, others in seen):
                continue
            seen.add((name, extras))
            order[wheel] = None
            waiting.append(_dependencies(metadata(wheel), target, extras))

    for root in roots:
        if target.applies(root):
            resolve(root)
    # A requirement that pex reads differently must not leave a distribution out.
    order.update(dict.fromkeys(chosen[name] for name in sorted(chosen)))
    return tuple(order)


def _chosen(info: PexInfo, roots: Sequence[Requirement], target: ImageTarget) -> dict[NormalizedName, str]:
    """Return the wheel of each distribution on `target`, without those that apply on other platforms only."""
    by_name: dict[NormalizedName, list[Requirement]] = {}
    for root in roots:
        by_name.setdefault(canonicalize_name(root.name), []).append(root)
    wheels: dict[NormalizedName, list[str]] = {}
    for wheel in info.distributions:
        wheels.setdefault(distribution_name(wheel), []).append(wheel)
    chosen: dict[NormalizedName, str] = {}
    for name, found in wheels.items():
        applicable = [root for root in by_name.get(name, ()) if target.applies(root)]
        if name in by_name and not applicable:
            continue
        allowed = [
            wheel
            for wheel in found
            if all(root.specifier.contains(distribution_version(wheel), prereleases=True) for root in applicable)
        ]
        best = target.best(allowed or found)
        if best is None:
            msg = f"it has no wheel of {name} for the image's platform"
            raise PexError(msg)
        chosen[name] = best
    return chosen


def _dependencies(metadata: bytes, target: ImageTarget, extras: Iterable[str]) -> Iterator[Requirement]:
    headers = email.parser.BytesHeaderParser().parsebytes(metadata)
    needed = headers.get_all("Requires-Dist", ())
    return (each for each in _requirements(map(str, needed)) if target.applies(each, extras))


def _requirements(texts: Iterable[str]) -> Iterator[Requirement]:
    """Yield the requirements; one that is not valid is left out."""
    for text in texts:
        try:
            yield Requirement(text)
        except InvalidRequirement:
            continue
