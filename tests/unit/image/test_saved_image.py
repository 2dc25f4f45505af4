"""An image that is read from an engine, without an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.image import saved_image
from nox_pex.oci.layout import WrittenImage
from nox_pex.system.command import Outcome
from nox_pex.system.secrets import Secrets
from nox_pex.tools.cache import Caches
from tests.support.images import ScriptedShell, engine, outcome
from tests.support.shown import say_into
from tests.unit.oci.test_docker_archive import LAYERS, archive, podman

IDENTITY = "sha256:" + "1d" * 32


def save(tmp_path: Path, answer: Outcome, *, content: Path | None = None) -> tuple[WrittenImage, list[str]]:
    said: list[str] = []
    (into := tmp_path / "into").mkdir()

    def run(argv: tuple[str, ...]) -> Outcome:
        assert argv[1:3] == ("save", "--quiet")
        if content is not None:
            content.rename(argv[-2])
        return answer

    shell = ScriptedShell(environ={}, secrets=Secrets(), say=say_into(said.append), answer=run)
    caches = Caches.of({"NOX_PEX_CACHE_DIR": str(tmp_path / "cache")})
    return saved_image.save(engine("podman"), IDENTITY, shell=shell, caches=caches, into=into), said


def test_an_image_is_read_from_what_the_engine_saves(tmp_path: Path) -> None:
    image, said = save(tmp_path, outcome(), content=archive(tmp_path / "a.tar", podman(*LAYERS)))
    assert len(image.blobs) == 3
    assert said == ["push: reading sha256:1d1d1d1d1d1d from podman"]
    assert list((tmp_path / "into").iterdir()) == []  # the archive is large, and not needed any more


def test_an_image_that_is_gone_is_built_again(tmp_path: Path) -> None:
    with pytest.raises(NoxPexError) as caught:
        save(tmp_path, outcome("Error: image not known", status=125))
    assert (caught.value.code, caught.value.remedy) == ("engine-failed", "build it again with `nox -s image`")
    assert caught.value.problem == f"podman cannot save the image {IDENTITY}: Error: image not known"


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoxPexError, match="in a form that nox-pex does not read: it has no file") as caught:
        save(tmp_path, outcome(), content=archive(tmp_path / "a.tar", {}))
    assert caught.value.code == "engine-failed"
