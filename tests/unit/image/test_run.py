from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import convert

from nox_pex.errors import NoxPexError
from nox_pex.image import run
from nox_pex.image.job import BuiltImage
from nox_pex.settings.smoke import Smoke
from nox_pex.smoke.plan import Options
from nox_pex.smoke.report import SmokeReport
from tests.support.images import PYTHON, TIMES, engine, image_target, job_of, shell
from tests.support.targets import target_of

SMOKE = {"args": ["--port", "{port}"], "http": [{"path": "/"}], "tcp": [{"port": "53"}]}


def test_a_binary_without_an_image_is_refused_only_if_it_is_named_or_the_only_one(tmp_path: Path) -> None:
    with_image = image_target(tmp_path)
    without = target_of(tmp_path / "other.pex", root=tmp_path, name="other")

    run.check_wanted([with_image, without], named=[])
    run.check_wanted([with_image], named=["service"])
    for targets, named in (([with_image, without], ["other"]), ([without], [])):
        with pytest.raises(NoxPexError, match=r"has no \[tool.nox-pex.binary.other.image\] table; add \[") as caught:
            run.check_wanted(targets, named=named)
        assert caught.value.code == "config"


def skipped_by_buildah(tmp_path: Path, skips: str) -> SmokeReport:
    built = BuiltImage(identity="i", tags=("s:1",), description={}, base={}, python=PYTHON, seconds=1.0, times=TIMES)
    return run.check_container(
        job_of(image_target(tmp_path), shell()),
        built,
        engine("buildah"),
        smoke=convert({**SMOKE, "skips": skips}, Smoke),
        environ={},
        options=Options(),
        say=lambda _: None,
    )


def test_buildah_starts_no_container(tmp_path: Path) -> None:
    report = skipped_by_buildah(tmp_path, "report")
    assert report.failure is None
    assert [(each.state, each.check_count) for each in report.boot_results] == [("skipped", 2)]


def test_a_skipped_container_fails_if_the_settings_say_so(tmp_path: Path) -> None:
    failure = skipped_by_buildah(tmp_path, "fail").failure
    assert failure is not None
    assert str(failure) == (
        "error[check-failed]: container: skipped: buildah builds images but starts no services: install podman, which"
        ' sees the same images; use podman, or set `skips = "report"`'
    )
