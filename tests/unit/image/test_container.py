from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nox_pex.errors import Code, NoxPexError
from nox_pex.image import container
from nox_pex.image.container import ContainerRunner, ImageConfig, image_config
from nox_pex.smoke.plan import Boot
from nox_pex.smoke.process.program import Command, Exit, RunningProgram
from nox_pex.smoke.runner import LaunchSpec
from nox_pex.smoke.workspace import Workspace
from nox_pex.system.command import Outcome
from tests.support.images import ScriptedShell, engine, outcome, shell

IMAGE = ImageConfig(identity="sha256:1", entrypoint=("/app/s.pex",), user="65532", python="/usr/bin/python3")
BOOT = Boot(condition="container", state="container")


class StubProgram:
    """A `Program` that is not started."""

    ended: Exit | None = None
    commands: list[Command] = []  # noqa: RUF012  # one list for the test, which reads it

    def __init__(self, command: Command, *, remove: Path | None, contain: bool) -> None:
        assert not contain, "the client of the engine leaves a process that watches the container"
        self.commands.append(command)
        self.remove = remove

    def exited(self, *, within: float = 0.0) -> Exit | None:
        del within
        return self.ended


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch) -> type[StubProgram]:
    monkeypatch.setattr(container, "Program", StubProgram)
    monkeypatch.setattr(StubProgram, "commands", [])
    return StubProgram


def place(tmp_path: Path, scripted: ScriptedShell, **others: Any) -> ContainerRunner:
    values: dict[str, Any] = {
        "engine": engine("podman"),
        "shell": scripted,
        "image": IMAGE,
        "workspace": Workspace(root=tmp_path, binary=tmp_path / "s.pex"),
        "host": "127.0.0.1",
        "published": {8001: 8000},
        "smoke_args": True,
        "shares_tmp": False,
        "environ": {"PATH": "/bin", "TOKEN": "t"},
        "pass_env": ("TOKEN", "UNSET"),
        "keep": False,
    }
    return ContainerRunner(**{**values, **others})


def launch(tmp_path: Path, *, stderr: Path | None = None, env: Mapping[str, str] | None = None) -> LaunchSpec:
    log = tmp_path / "log"
    return LaunchSpec(boot=BOOT, args=("--port", "8000"), env=env or {"LEVEL": "1"}, stdout=log, stderr=stderr)


def explained(tmp_path: Path, code: Code, *outcomes: Outcome, log: str = "") -> NoxPexError:
    (tmp_path / "log").write_text(log, "utf-8")
    there = place(tmp_path, shell(*outcomes))
    running: RunningProgram = there.create_program(launch(tmp_path))
    return there.explain(NoxPexError(code, "problem", "remedy"), running)


@pytest.mark.parametrize("entrypoint", [["/app/pex"], '["/app/pex"]', None])
def test_the_configuration_is_read_from_every_engines_description(entrypoint: object) -> None:
    config = image_config({"Config": {"Entrypoint": entrypoint, "User": ""}}, identity="i", python="/p")
    assert config.entrypoint == (() if entrypoint is None else ("/app/pex",))
    assert config.user == "0"


def test_a_server_is_published_and_its_variables_are_in_a_private_file(tmp_path: Path, stub: type[StubProgram]) -> None:
    place(tmp_path, shell()).create_program(launch(tmp_path))
    (command,) = stub.commands
    (variables,) = tmp_path.glob("variables-*")
    assert variables.read_text("utf-8") == "TOKEN=t\nLEVEL=1\n"
    assert variables.stat().st_mode & 0o777 == 0o600
    assert command.argv[-3:] == ("sha256:1", "--port", "8000")
    assert "127.0.0.1:8001:8000" in command.argv
    assert "--interactive" not in command.argv
    assert command.cleanup[:3] == ("/bin/podman", "rm", "--force")


def test_with_arguments_of_its_own_an_image_gets_none_of_the_smoke_test(
    tmp_path: Path, stub: type[StubProgram]
) -> None:
    there = place(tmp_path, shell(), smoke_args=False)
    server = there.create_program(launch(tmp_path))
    there.create_program(launch(tmp_path, stderr=tmp_path / "stderr"))
    there.create_program(launch(tmp_path), alongside=server)
    started, command, beside = (each.argv for each in stub.commands)
    assert started[-1] == "sha256:1"
    assert command[-3:] == ("sha256:1", "--port", "8000")
    assert "--interactive" in command
    assert "--publish" not in command
    assert beside[1] == "exec"
    assert beside[-3:] == ("/app/s.pex", "--port", "8000")


def test_a_value_with_several_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoxPexError, match="the value of KEY has several lines, but engines accept only one") as caught:
        place(tmp_path, shell()).create_program(launch(tmp_path, env={"KEY": "a\nb"}))
    assert caught.value.code == "config"


def test_a_shared_directory_is_writable_for_the_containers_user(tmp_path: Path) -> None:
    (tmp_path / "tmp0").mkdir()
    assert place(tmp_path, shell(), shares_tmp=True).prepare(BOOT) == tmp_path / "container"
    assert (tmp_path / "tmp0").stat().st_mode & 0o7777 == 0o1777
    assert tmp_path.stat().st_mode & 0o777 == 0o711


def test_a_program_on_the_loopback_address_is_unreachable(tmp_path: Path) -> None:
    error = explained(tmp_path, "startup-timeout", outcome("127.0.0.1 8000\n::1 8000\nnoise\n"))
    assert error.code == "port-unreachable"
    assert error.problem == (
        "port 8000 of the container cannot be reached: its program listens on 127.0.0.1 port 8000, ::1 port 8000"
    )
    nothing = explained(tmp_path, "startup-timeout", outcome(""))
    assert nothing.problem.endswith("its program listens on no port")
    assert "let it listen on 0.0.0.0" in nothing.remedy
    assert explained(tmp_path, "startup-timeout", outcome("0.0.0.0 8000\n")).code == "startup-timeout"
    assert explained(tmp_path, "check-failed").code == "check-failed"


def test_a_program_on_a_port_that_is_not_published_is_told_to_expose_it(tmp_path: Path) -> None:
    error = explained(tmp_path, "startup-timeout", outcome("0.0.0.0 9000\nnowhere 1\n127.0.0.1 70\n"))
    assert error.code == "port-unreachable"
    assert "its program listens on 0.0.0.0 port 9000" in error.problem
    assert "write `expose = [9000]`" in error.remedy


def test_a_failure_of_the_engine_is_not_one_of_the_program(tmp_path: Path, stub: type[StubProgram]) -> None:
    stub.ended = Exit(status=125, at=0.0)
    error = explained(tmp_path, "exited-early", log="Error: no runtime\n")
    assert (error.code, error.problem) == ("engine-failed", "podman could not start the container: Error: no runtime")
    taken = explained(tmp_path, "exited-early", log="bind: address already in use\n")
    assert (taken.code, taken.remedy) == ("port-taken", 'stop what listens there, or write "{port}" for a free port')
    assert "it printed nothing" in explained(tmp_path, "exited-early").problem


def test_a_program_that_cannot_be_read_or_started_is_explained(tmp_path: Path, stub: type[StubProgram]) -> None:
    stub.ended = Exit(status=126, at=0.0)
    unreadable = explained(tmp_path, "exited-early", outcome("/app/s.pex\n"))
    assert unreadable.code == "image-unreadable"
    assert unreadable.problem == "user 65532 of the image cannot read /app/s.pex"
    oci = explained(tmp_path, "exited-early", outcome("\n"), log="OCI runtime error: permission denied\n")
    assert oci.code == "launch-failed"
    assert explained(tmp_path, "exited-early", outcome("\n"), log="its own error\n").code == "exited-early"


def test_the_owner_of_a_published_port_listens_in_the_container(tmp_path: Path) -> None:
    def owner(listening: str) -> str:
        running = place(tmp_path, shell(outcome(listening))).create_program(launch(tmp_path))
        return running.owner("127.0.0.1", 8001)

    assert owner("0.0.0.0 8000\n") == "ours"
    assert owner("127.0.0.1 8000\n") == "nobody"
    assert owner("0.0.0.0 8001\n") == "nobody"
