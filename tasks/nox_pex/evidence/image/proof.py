"""Whether the result of `image` in `dist` proves something about an image, compared with today."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.evidence import proof
from nox_pex.evidence.image.stated import StatedImage
from nox_pex.evidence.results import ImageResult
from nox_pex.pex import circumstances
from nox_pex.pex.circumstances import Circumstances
from nox_pex.pex.target import Target
from nox_pex.settings.smoke import Smoke

_SHOWN: Final = 19
"""Characters of a digest that a message shows."""


class ImageProof(Struct, frozen=True, kw_only=True):
    """The result that proves an image, and the circumstances under which it was obtained."""

    result: ImageResult
    circumstances: Circumstances


def require(target: Target, image: StatedImage, *, sha256: str) -> ImageProof:
    """Return the result of `image` that proves exactly this image of the binary of `target` with this SHA-256.

    Raises `NoxPexError` `not-proven` with all problems.
    """
    today = circumstances.of_image(target)
    result, problem = proof.read(target, "image", ImageResult)
    problems = [] if result is None else [*_problems(result, target, image, today, sha256)]
    if problem is not None:
        problems.append(problem)
    if problems or result is None:
        raise NoxPexError.together([proof.not_proven(target, "image", each) for each in problems])
    return ImageProof(result=result, circumstances=today)


def require_same(target: Target, result: ImageResult, image: StatedImage) -> None:
    """Raise `NoxPexError` `not-proven` if `result` is about another image. Nothing else is checked."""
    if problems := [*_of_another_image(result, image)]:
        raise NoxPexError.together([proof.not_proven(target, "image", each) for each in problems])


def _problems(
    result: ImageResult, target: Target, image: StatedImage, today: Circumstances, sha256: str
) -> Iterator[str]:
    if result.from_source:
        yield "the image was built with `--from-source`, so it is not known which binary is in it"
    else:
        yield from proof.of_any(result, target, today, sha256)
    yield from proof.smoke_failures(result.smoke)
    yield from _of_another_image(result, image)
    if any(not each.conditions for each in result.platforms):
        yield "it leaves out the check of a container"
    longest, allowed = result.overrides.timeout, (target.table.smoke or Smoke()).startup_timeout
    if longest is not None and longest > allowed:
        yield f"`--timeout {longest:g}` allowed more than `startup-timeout`"


def _of_another_image(result: ImageResult, image: StatedImage) -> Iterator[str]:
    """Yield how the image of a result differs from the one that is to be pushed."""
    if result.digest is None:  # an engine built it, for one platform
        if result.id is None or _digest(result.id) not in image.ids:
            yield f"it is about another image ({_short(result.id)}; this one is {_short(min(image.ids, default=None))})"
        return
    if result.digest != image.digest:
        yield f"it is about another image ({_short(result.digest)}; this one is {_short(image.digest)})"
        return
    tested = [(each.platform if image.index is not None else None, each.digest) for each in result.platforms]
    pushed = [(str(each.platform) if image.index is not None else None, each.digest) for each in image.manifests]
    if sorted(tested, key=str) != sorted(pushed, key=str):
        yield "it is about other platforms than the image has"


def _digest(identity: str) -> str:
    """Return the digest in an engine's id, which podman writes without `sha256:`."""
    return identity if identity.startswith("sha256:") else f"sha256:{identity}"


def _short(digest: str | None) -> str:
    return "an unknown one" if digest is None else f"{digest[:_SHOWN]}…"
