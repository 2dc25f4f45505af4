from __future__ import annotations

from pathlib import Path

from packaging.utils import canonicalize_name

from nox_pex.distributions.environment import Distribution, Environment
from nox_pex.poetry import origins
from nox_pex.poetry.origins import Origin


def distribution(version: str) -> Distribution:
    return Distribution(name=canonicalize_name("idna"), version=version, directory=Path(), record="0", direct=False)


def test_the_last_origin_of_a_distribution_counts(tmp_path: Path) -> None:
    environment = Environment(path=tmp_path / "install")
    origins.add(environment, {"idna": Origin(version="3.10", file="old.whl"), "h11": Origin(version="1", file="h.whl")})
    origins.add(environment, {"idna": Origin(version="3.11", file="new.whl")})
    known = origins.read(environment)
    assert known.keys() == {"idna", "h11"}
    assert origins.of(distribution("3.11.0"), known) == "new.whl"
    assert origins.of(distribution("3.10"), known) is None
    origins.clear(environment)
    assert origins.read(environment) == {}


def test_a_file_of_another_form_counts_as_missing(tmp_path: Path) -> None:
    environment = Environment(path=tmp_path / "install")
    (tmp_path / ".install.origins.json").write_text('{"idna": ["3.11"]}', "utf-8")
    assert origins.read(environment) == {}
    origins.add(environment, {})
    assert origins.read(environment) == {}
