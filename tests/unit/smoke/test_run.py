"""Smoke tests that are refused before anything is started, or that start nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nox_pex.distributions.scie_file import this_platform
from nox_pex.errors import NoxPexError
from nox_pex.pex.target import Target
from nox_pex.smoke.plan import Options
from nox_pex.smoke.report import SmokeReport
from nox_pex.smoke.run import run
from nox_pex.system import files
from nox_pex.system.secrets import Secrets
from tests.support.targets import target_of

Run = Callable[..., SmokeReport]


@pytest.fixture
def smoke_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Smoke-test a file that is not a program, and check that no temporary directory is left."""
    binary, project, temporary = tmp_path / "program.pex", tmp_path / "project", tmp_path / "temporary"
    for directory in (project, temporary):
        directory.mkdir()
    binary.write_bytes(b"#!/bin/sh\n")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    def smoke(*, options: Options | None = None, unavailable_reason: str | None = None, **settings: Any) -> SmokeReport:
        table = {key.replace("_", "-"): value for key, value in settings.items()}
        try:
            return run(
                target_of(binary, root=project, smoke=table),
                environ={},
                secrets=Secrets(),
                options=options or Options(),
                say=lambda _: None,
                unavailable_reason=unavailable_reason,
            )
        finally:
            assert list(temporary.iterdir()) == []

    return smoke


def test_settings_without_a_check_are_refused(smoke_test: Run) -> None:
    with pytest.raises(NoxPexError, match=r"tool\.nox-pex\.binary\.program\.smoke\.http") as caught:
        smoke_test()
    assert caught.value.code == "config"


@pytest.mark.parametrize("options", [Options(only="hot"), Options(port=0), Options(port=70000)])
def test_options_that_make_no_sense_are_refused(options: Options, smoke_test: Run) -> None:
    with pytest.raises(NoxPexError) as caught:
        smoke_test(options=options, http=[{"path": "/"}])
    assert caught.value.code == "usage"


def test_only_a_server_with_a_network_can_be_served(smoke_test: Run) -> None:
    with pytest.raises(NoxPexError, match=r"error\[usage\].*offline"):
        smoke_test(options=Options(serve=True), http=[{"path": "/"}], conditions=["offline"])
    with pytest.raises(NoxPexError, match=r"error\[usage\].*does not keep running"):
        smoke_test(options=Options(serve=True), command=[{"args": []}])


def test_the_path_of_a_unix_socket_that_is_too_long_is_refused(smoke_test: Run) -> None:
    with pytest.raises(NoxPexError, match="longer than 103 bytes"):
        smoke_test(unix_socket="{tmp}/" + "x" * 100, http=[{"path": "/"}])


@pytest.mark.parametrize("key", ["json-schema", "ca-file"])
def test_a_file_that_does_not_exist_is_named(key: str, smoke_test: Run) -> None:
    with pytest.raises(NoxPexError, match=f"source-missing.*`{key}` names nowhere"):
        smoke_test(url="https://127.0.0.1:{port}", http=[{"path": "/", key: "nowhere"}])


def test_a_binary_for_another_machine_is_skipped(smoke_test: Run) -> None:
    settings: dict[str, Any] = {"http": [{"path": "/"}], "before": [["false"]], "after": [["false"]]}
    report = smoke_test(unavailable_reason="it is for another machine", conditions=["cold", "offline"], **settings)
    assert report.failure is None
    assert [(outcome.state, outcome.reason) for outcome in report.boot_results] == [
        ("skipped", "it is for another machine"),
        ("skipped", "it is for another machine"),
    ]
    report = smoke_test(unavailable_reason="it is for another machine", skips="fail", **settings)
    assert report.failure is not None
    assert report.failure.code == "check-failed"
    assert report.failure.problem == "cold: skipped: it is for another machine"


def test_a_binary_that_is_replaced_during_the_test_has_no_result(tmp_path: Path) -> None:
    (tmp_path / "program.pex").write_bytes(b"#!/bin/sh\nexit 0\n")
    (tmp_path / "program.pex").chmod(0o755)
    replacing = ["sh", "-c", f"echo >> {tmp_path}/program.pex"]
    smoke = {"command": [{"args": []}], "conditions": ["cold"], "before": [replacing]}
    with pytest.raises(NoxPexError, match=r"program\.pex was changed while it was tested") as caught:
        run(
            target_of(tmp_path / "program.pex", root=tmp_path, smoke=smoke),
            environ={"PATH": os.environ["PATH"]},
            secrets=Secrets(),
            say=lambda _: None,
        )
    assert caught.value.code == "launch-failed"


@pytest.fixture
def with_scie(tmp_path: Path) -> Target:
    """A binary in whose settings there is a scie; neither can be started."""
    made = target_of(tmp_path / "x", root=tmp_path, smoke={"http": [{"path": "/"}]})
    table = replace(made.table, scie="eager")
    made = replace(made, prebuilt=None, settings=replace(made.settings, binary={"program": table}))
    made.directory.mkdir()
    made.output.write_bytes(b"#!/bin/sh\n")
    return made


def run_scie(target: Target, **options: Any) -> SmokeReport:
    return run(
        target,
        environ={"PATH": "/nowhere"},
        secrets=Secrets(),
        options=Options(only="scie"),
        say=lambda _: None,
        **options,
    )


def record_scie(target: Target, platform: str, content: bytes) -> Path:
    """Write a scie and its record."""
    path = target.directory / f"program-{platform}"
    path.write_bytes(content)
    path.chmod(0o755)
    files.write_json(target.record, {"scies": [{"file": path.name, "sha256": files.digest(path)}]})
    return path


def test_a_scie_that_was_not_built_is_no_skip(with_scie: Target) -> None:
    with pytest.raises(NoxPexError, match="has no scie; build it with `nox -s pex`") as caught:
        run_scie(with_scie)
    assert caught.value.code == "launch-failed"


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"#!/bin/sh\nchanged\n")])
def test_a_scie_that_is_not_the_recorded_one_is_not_started(
    with_scie: Target, damage: Callable[[Path], object]
) -> None:
    damage(record_scie(with_scie, this_platform(), b"#!/bin/sh\nexit 0\n"))
    with pytest.raises(NoxPexError, match=r"does not exist|was changed after it was built") as caught:
        run_scie(with_scie)
    assert caught.value.code == "launch-failed"


def test_a_scie_for_another_machine_is_skipped(with_scie: Target) -> None:
    record_scie(with_scie, "windows-s390x", b"")
    report = run_scie(with_scie)
    (boot,) = report.boot_results
    assert (boot.condition, boot.state) == ("scie", "skipped")
    assert boot.reason == "it is for windows-s390x, and not for this machine"
    assert report.scie is None


def test_a_scie_is_started_on_a_machine_without_a_python_for_the_pex(with_scie: Target) -> None:
    record_scie(with_scie, this_platform(), b"#!/bin/sh\nexit 3\n")
    report = run_scie(with_scie, unavailable_reason="there is no such Python")
    assert report.failure is not None
    assert report.failure.code == "exited-early"
    assert report.scie is not None
