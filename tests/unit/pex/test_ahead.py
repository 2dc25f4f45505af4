"""Work that is done while Poetry installs. A small PEX that proves itself takes the place of pex's runtime."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from nox_pex.distributions.environment import Environment
from nox_pex.pex.ahead import PACKER, working_ahead
from nox_pex.system import processors
from nox_pex.tools import pinned
from tests.support.fake_environment import FakeEnvironment
from tests.unit.pex.conftest import MakeProvisioner, MakeTarget, write_pex


@pytest.fixture
def installed(environment: FakeEnvironment, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setattr(pinned, "provide_pex", lambda *_args, **_options: Path("/tools/python"))
    monkeypatch.setattr(processors, "count", lambda: 2)
    return environment.installed().environment


def kept(cache: Path) -> list[str]:
    """The kinds of what is in the cache, without what is being made."""
    kinds = ("packed", "runtimes")
    return sorted(path.parent.name for kind in kinds for path in (cache / kind).glob("[!.]*"))


def test_a_runtime_is_made_and_a_complete_distribution_is_packed(
    installed: Environment, make_target: MakeTarget, make_provisioner: MakeProvisioner, tmp_path: Path
) -> None:
    provisioner = make_provisioner()
    packed = tmp_path / "cache" / "packed"
    with working_ahead([make_target()], installed, provisioner) as complete:
        assert complete is not None
        complete("idna", "1.0")
        while not list(packed.glob("[!.]*/manifest.json")):
            pass
    assert kept(tmp_path / "cache") == ["packed", "runtimes"]


def test_the_rest_is_packed_after_the_block(
    installed: Environment, make_target: MakeTarget, make_provisioner: MakeProvisioner, tmp_path: Path
) -> None:
    with working_ahead([make_target()], installed, make_provisioner()) as complete:
        assert complete is not None
        complete("idna", "1.0")
    for thread in threading.enumerate():
        if thread.name == PACKER:
            thread.join(30)
    assert kept(tmp_path / "cache") == ["packed", "runtimes"]


@pytest.mark.parametrize("name", ["unknown", "not a name"])
def test_a_distribution_that_is_not_there_is_left_to_the_build(
    installed: Environment, make_target: MakeTarget, make_provisioner: MakeProvisioner, tmp_path: Path, name: str
) -> None:
    with working_ahead([make_target()], installed, make_provisioner()) as complete:
        assert complete is not None
        complete(name, "1.0")
    assert kept(tmp_path / "cache") == ["runtimes"]


def test_a_pex_that_fails_stops_nothing(
    installed: Environment, make_target: MakeTarget, make_provisioner: MakeProvisioner, tmp_path: Path
) -> None:
    def fail(_argv: Sequence[str]) -> None:
        raise OSError

    with working_ahead([make_target()], installed, make_provisioner(fail)):
        pass
    assert kept(tmp_path / "cache") == []


def test_the_error_of_the_block_is_raised(
    installed: Environment, make_target: MakeTarget, make_provisioner: MakeProvisioner
) -> None:
    with pytest.raises(KeyboardInterrupt), working_ahead([make_target()], installed, make_provisioner(write_pex)):
        raise KeyboardInterrupt


@pytest.mark.parametrize("table", [{"layout": "packed"}, {"pre_install_wheels": False}], ids=str)
def test_nothing_is_done_for_a_binary_that_pex_packs(
    installed: Environment,
    make_target: MakeTarget,
    make_provisioner: MakeProvisioner,
    tmp_path: Path,
    table: dict[str, object],
) -> None:
    with working_ahead([make_target(**table)], installed, make_provisioner()) as complete:
        assert complete is None
    assert kept(tmp_path / "cache") == []


def test_one_processor_is_left_to_the_block(
    installed: Environment,
    make_target: MakeTarget,
    make_provisioner: MakeProvisioner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processors, "count", lambda: 1)
    with working_ahead([make_target()], installed, make_provisioner()) as complete:
        assert complete is None
    assert kept(tmp_path / "cache") == []
