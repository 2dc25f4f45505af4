"""The image that the last run of `image` built and checked, as it is pushed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from nox_pex.errors import NoxPexError
from nox_pex.evidence import proof
from nox_pex.evidence.results import ImageResult
from nox_pex.image import push_plan, saved_image
from nox_pex.image.base import fetch
from nox_pex.image.engine import find_engine
from nox_pex.oci import layout, reference
from nox_pex.oci.descriptor import Digest, parse_platform
from nox_pex.oci.image import LayerFile
from nox_pex.oci.layout import WrittenImage
from nox_pex.oci.manifest import FormatError
from nox_pex.pex.target import Target
from nox_pex.steps.context import Context
from nox_pex.system import locks, plain_paths


def result_of(target: Target) -> ImageResult:
    """Return the result of `image`. Raises `NoxPexError` `not-proven` if there is none that this checkout wrote."""
    result, problem = proof.read(target, "image", ImageResult)
    if result is None or problem is not None:
        raise proof.not_proven(target, "image", problem or "there is none")
    return result


def written(context: Context, target: Target, result: ImageResult, opened: contextlib.ExitStack) -> WrittenImage:
    """Return the image: the layout that nox-pex wrote, or what the engine saves. Its files last as long as `opened`."""
    image, shell = target.table.image, context.provisioner.shell
    if result.digest is None and image is not None:
        engine = find_engine(result.engine, image.engine_args, shell)
        into = opened.enter_context(plain_paths.plain_directory())
        caches, known = context.provisioner.caches, _base_layers(context, target, result)
        return saved_image.save(engine, result.id or "", shell=shell, caches=caches, into=into, known=known)
    waiting = f"push: waiting for another run that writes the image of {target.name}"
    opened.enter_context(locks.locked(target.state_file("oci.lock"), waiting=lambda: context.say(waiting)))
    directory = target.file("oci")
    try:
        return layout.read(directory)
    except FormatError as error:
        raise NoxPexError("not-proven", f"{directory} is not the image: {error}", "run `nox -s image`") from error


def _base_layers(context: Context, target: Target, result: ImageResult) -> Mapping[Digest, LayerFile]:
    """Return the base's layers as its registry has them, by their diff ids, if the image goes to the same registry.

    They are mounted there, and not sent. Without them, the image gets layers with the same content.
    """
    if push_plan.base_registry(result) not in {reference.parse(name).registry for name in result.tags}:
        return {}
    try:
        base = fetch.fetch(
            result.base.name,
            parse_platform(result.platforms[0].platform),
            key=f"{target.key}.image.base",
            root=context.root,
            caches=context.provisioner.caches,
            shell=context.provisioner.shell,
        )
    except (NoxPexError, ValueError):
        return {}
    return {layer.diff_id: layer for layer in base.layers}
