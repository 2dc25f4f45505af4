"""The layers of an engine's image that need not be sent, because its base is in the same registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from nox_pex.evidence.results import ImageResult
from nox_pex.oci import media_types
from nox_pex.oci.image import LayerFile
from nox_pex.steps import built_image
from tests.support import stated_images
from tests.support.faulty_registry import FaultyRegistry, serve_registry
from tests.unit.steps.conftest import MakeContext

BASE = stated_images.written()


@pytest.fixture
def server() -> Iterator[FaultyRegistry]:
    with serve_registry() as registry:
        for blob in BASE.blobs:
            registry.add_blob("team/base", blob.read())
        registry.add_manifest("team/base", "1", media_types.MANIFEST, BASE.top.read())
        yield registry


def known(make_context: MakeContext, tmp_path: Path, *, base: str, tag: str) -> Mapping[str, LayerFile]:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "shop"\nversion = "1"\n[tool.nox-pex.binary.api]\nscript = "x"\n'
        f'[tool.nox-pex.binary.api.image]\nbase = "{base}"\n',
        "utf-8",
    )
    context = make_context(environ={"HOME": str(tmp_path), "NOX_PEX_CACHE_DIR": str(tmp_path / "cache")})
    target = context.all_targets["api"]
    value = stated_images.result(target, BASE, base={"name": base}, tags=[tag], digest=None, id="sha256:" + "1d" * 32)
    return built_image._base_layers(context, target, msgspec.convert(value, ImageResult))  # noqa: SLF001  # its caller needs an engine


def test_layers_of_a_base_in_the_same_registry_keep_their_digest(
    make_context: MakeContext, server: FaultyRegistry, tmp_path: Path
) -> None:
    base = f"{server.host}/team/base:1"
    found = known(make_context, tmp_path, base=base, tag=f"{server.host}/team/api:1")
    assert [layer.descriptor.digest for layer in found.values()] == [BASE.blobs[1].descriptor.digest]


def test_a_base_that_is_elsewhere_is_not_fetched(
    make_context: MakeContext, server: FaultyRegistry, tmp_path: Path
) -> None:
    base = f"{server.host}/team/base:1"
    assert known(make_context, tmp_path, base=base, tag="registry.example/team/api:1") == {}
    assert known(make_context, tmp_path, base="oci:base", tag=f"{server.host}/team/api:1") == {}
    assert server.requests == []


def test_a_base_that_cannot_be_fetched_changes_nothing(
    make_context: MakeContext, server: FaultyRegistry, tmp_path: Path
) -> None:
    base, tag = f"{server.host}/team/other:1", f"{server.host}/team/api:1"
    assert known(make_context, tmp_path, base=base, tag=tag) == {}
