"""Images of a few bytes, and the result of `image` about them, as the step writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from nox_pex.evidence.image.stated import StatedImage
from nox_pex.image import push_plan
from nox_pex.image.push_plan import Destination
from nox_pex.oci import manifest, media_types
from nox_pex.oci.descriptor import Descriptor, ImagePlatform, parse_platform
from nox_pex.oci.image_config import HistoryEntry, ImageConfig, RootFileSystem
from nox_pex.oci.layout import Blob, WrittenImage
from nox_pex.oci.manifest import Index, Manifest
from nox_pex.oci.reference import ImageName
from nox_pex.pex import circumstances, own_results
from nox_pex.pex.target import Target
from nox_pex.system import outside_text
from tests.support.results import FINISHED, SHA256

NAME: Final = "registry.example/team/service"
PLATFORM: Final = "linux/amd64"


def destination(name: str = NAME, *tags: str) -> Destination:
    registry, _, repository = name.partition("/")
    return Destination(name=ImageName(registry=registry, repository=repository), tags=tags or ("1.0",))


def written(*platforms: str, content: str = "") -> WrittenImage:
    """An image for one platform, or an index of several."""
    names = platforms or (PLATFORM,)
    parts = [_for_platform(parse_platform(each), content) for each in names]
    blobs = tuple(blob for _, of_one in parts for blob in of_one)
    if len(parts) == 1:
        return WrittenImage(top=parts[0][0], blobs=blobs)
    children = tuple(
        Blob(descriptor=_at(top.descriptor, parse_platform(each)), content=top.content)
        for each, (top, _) in zip(names, parts, strict=True)
    )
    listed = tuple(each.descriptor for each in children)
    index = manifest.encode(Index(schema_version=2, media_type=media_types.INDEX, manifests=listed))
    return WrittenImage(top=Blob.of(index, media_types.INDEX), manifests=children, blobs=blobs)


def _at(descriptor: Descriptor, platform: ImagePlatform) -> Descriptor:
    return Descriptor(
        media_type=descriptor.media_type, digest=descriptor.digest, size=descriptor.size, platform=platform
    )


def _for_platform(platform: ImagePlatform, content: str) -> tuple[Blob, tuple[Blob, Blob]]:
    layer = Blob.of(f"a layer {content}".encode(), media_types.LAYER_GZIP)
    config = ImageConfig(
        architecture=platform.architecture,
        os=platform.os,
        rootfs=RootFileSystem(diff_ids=("sha256:" + "1d" * 32,)),
        history=(HistoryEntry(created_by="nox-pex: service"),),
    )
    described = Blob.of(manifest.encode(config), media_types.CONFIG)
    top = Manifest(
        schema_version=2, media_type=media_types.MANIFEST, config=described.descriptor, layers=(layer.descriptor,)
    )
    return Blob.of(manifest.encode(top), media_types.MANIFEST), (described, layer)


def stated(image: WrittenImage, name: str = NAME) -> StatedImage:
    return push_plan.stated(image, destination(name), ids=push_plan.ids(image))


def condition(state: str = "passed", *, check: bool = True) -> dict[str, Any]:
    """The boot of a container, as `NAME.image.json` has it."""
    verdicts = [{"check": "GET /", "passed": check}] if state != "skipped" else []
    return {"condition": "container", "state": state, "reason": "why", "verdicts": verdicts}


def result(
    target: Target, image: WrittenImage, conditions: Mapping[str, Mapping[str, Any]] | None = None, **fields: Any
) -> dict[str, Any]:
    """The content of `NAME.image.json` for an image without an engine; `conditions` are by platform."""
    tested: Sequence[tuple[str, str]] = [
        (str(each.descriptor.platform), each.descriptor.digest) for each in image.manifests
    ] or [(PLATFORM, image.top.descriptor.digest)]
    return {
        "name": target.name,
        "binary": target.binary.name,
        "sha256": SHA256,
        "passed": True,
        "failure": None,
        "engine": "none",
        "form": "file",
        "from-source": False,
        "tags": [f"{NAME}:1.0"],
        "layers": [],
        "digest": image.top.descriptor.digest,
        "base": {"name": "python:3.12-slim", "digest": "sha256:" + "ba" * 32, "python": "CPython 3.12.1"},
        "built": {"started": "2026-11-26T15:59:00Z", "finished": "2026-11-26T15:59:30Z"},
        "platforms": [
            {
                "platform": platform,
                "digest": digest,
                "base": "sha256:" + "bb" * 32,
                "conditions": [(conditions or {}).get(platform, condition())],
            }
            for platform, digest in tested
        ],
        **circumstances.of_image(target).as_json(finished=FINISHED),
        "overrides": {},
        **fields,
    }


def write_result(target: Target, image: WrittenImage, *args: Any, **fields: Any) -> None:
    own_results.write(target, "image", outside_text.json_text(result(target, image, *args, **fields)))
