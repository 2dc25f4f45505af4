"""Containers without an engine: as root, and as an ordinary user."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import small_root
from tests.support.processes import IMPORTABLE, wait_until
from tests.support.root_containers import Base, Containers
from tests.support.small_root import Member

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has root file systems of programs")

USER_NAMESPACES = subprocess.run(["unshare", "-Ur", "true"], check=False, capture_output=True).returncode == 0
RUNNERS = [
    pytest.param((), id="root", marks=pytest.mark.skipif(os.geteuid() != 0, reason="it needs root")),
    pytest.param(
        ("unshare", "-Ur"), id="user", marks=pytest.mark.skipif(not USER_NAMESPACES, reason="no user namespaces here")
    ),
]


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    directory = tmp_path_factory.mktemp("base")
    return Base(small_root.layer(small_root.python_files(), directory), directory)


BOTH = pytest.mark.parametrize("prefix", RUNNERS)


@pytest.fixture
def prefix() -> tuple[str, ...]:
    """The command before that of a test, which runs as this user unless it is marked with `BOTH`."""
    return ()


@pytest.fixture
def containers(base: Base, tmp_path: Path, temporary: Path, prefix: tuple[str, ...]) -> Containers:
    return Containers(base, tmp_path, temporary, prefix)


@BOTH
def test_a_container_is_like_that_of_an_engine(containers: Containers) -> None:
    expected = {
        "$.pid": 1,
        "$.ids": [[65532, 65532, 65532], [65532, 65532, 65532]],
        "$.capabilities": ["0" * 16],
        "$['no-new-privileges']": "1",
        "$.directory": "/srv/place",
        "$.arguments": ["more"],
        "$.writable": ["/tmp", "/dev/shm", "/data"],  # noqa: S108  # in the container
        "$.readable": ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname"],
        "$.processes": ["1"],
        "$.hostname": "container",
        "$.umask": "0o22",
        "$.joined": True,
        "$.unmasked": [],
        "$.variables.HOME": "/",
        "$.variables.HOSTNAME": "container",
        "$.variables.GREETING": "hello",
        "$.variables.TOKEN": "t",
        "$.variables.LEVEL": "1",
        "$.variables.PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    result = containers.check(
        "well",
        "more",
        container={"env": ("GREETING=hello", "LEVEL=0"), "working_dir": "/srv/place", "volumes": {"/data": {}}},
        members={"data": Member(None, owner=65532)},
        http=[{"path": "/", "json-path": expected}],
        environ={"TOKEN": "t", "SECRET": "of this session"},
        pass_env=["TOKEN", "UNSET"],
        env={"LEVEL": "1"},
    )

    assert result["code"] is None, result
    assert result["stop"].startswith("stopped by SIGTERM")
    assert 1_000_000 < result["memory"] < 500_000_000


def test_no_variable_of_the_session_gets_into_the_container(containers: Containers) -> None:
    names = ["HOME", "HOSTNAME", "PATH"]
    found = containers.check(
        "well", http=[{"path": "/", "json-path": {"$.names": names}}], environ={"SECRET": "of this session"}
    )
    assert found["code"] is None, found


def test_the_arguments_of_the_image_are_those_of_production(containers: Containers) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    image = {"args": ["well", "0.0.0.0", str(port), "production"], "expose": [port]}  # noqa: S104  # in the container
    check = [{"path": "/", "json-path": {"$.arguments": ["production"]}}]

    assert containers.check("dies", image=image, http=check)["code"] is None
    assert "private network" not in containers.said

    with socket.create_server(("127.0.0.1", port)):  # as another program on this machine may
        assert containers.check("dies", image=image, http=check)["code"] is None
    assert f"port {port} cannot be used on this machine, so the container gets a private network" in containers.said


@BOTH
def test_a_port_below_1024_is_used_as_in_a_container(containers: Containers) -> None:
    image = {"args": ["well", "0.0.0.0", "80"], "expose": [80]}  # noqa: S104  # in the container
    assert containers.check("dies", image=image)["code"] is None


@pytest.mark.parametrize("private", [False, True])
def test_a_program_that_only_its_container_reaches_is_named(private: bool, containers: Containers) -> None:  # noqa: FBT001  # parametrized
    image = {"args": ["well", "127.0.0.1", "80"], "expose": [80]} if private else {}
    result = containers.check("well", image=image, args=["well", "127.0.0.1", "{port}"], startup_timeout=2.0)
    assert result["code"] == "port-unreachable", result
    assert "of the container cannot be reached: its program listens on 127.0.0.1 port " in result["problem"]


def test_a_program_reaches_services_of_other_machines(containers: Containers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        assert containers.check("connects", str(service.getsockname()[1]))["code"] is None


@pytest.mark.parametrize(
    ("mode", "code", "words"),
    [
        ("dies", "exited-early", "there is no database"),
        ("deaf", "stop-timeout", "still running 1 s after SIGTERM"),
        ("daemon", None, ""),  # as in a container, it ends with the first process
    ],
)
def test_failures_are_those_of_a_container(mode: str, code: str | None, words: str, containers: Containers) -> None:
    result = containers.check(mode, stop_timeout=1.0)
    assert result["code"] == code, result
    assert words in result["problem"] + result["log"]


@BOTH
def test_a_command_runs_in_the_container_of_the_server_and_shares_its_files(containers: Containers) -> None:
    script = "import os, pathlib, sys; p = pathlib.Path(sys.argv[1]); p.write_text(str(os.getppid())); "
    script += "print(sorted(os.listdir('/tmp'))); print(pathlib.Path('/proc/1/cmdline').read_text())"
    seen = {"args": ["-c", script, "{tmp}/written"], "stdout-matches": "in_container[.]py"}
    result = containers.check(
        "well",
        container={"entrypoint": (small_root.PYTHON,)},
        args=["/app/in_container.py", "well", "{host}", "{port}"],
        command=[seen, {"args": ["-c", "import sys; sys.exit(3)"], "exit-code": 3}],
        after=[["test", "-s", "{tmp}/written"]],
    )
    assert result["code"] is None, result


def test_a_program_that_is_no_server_is_the_first_process(containers: Containers) -> None:
    commands = [{"args": ["once", "-", "-"], "stdout-matches": '"pid": 1,'}]
    result = containers.check("once", http=[], command=commands, args=[], soak=0.0)
    assert result["code"] is None, result


CANNOT = "the container's program"
CLOSED = {"app/closed": Member(None, mode=0o700), "app/closed/run": b"#!/x"}
NOT_STARTED: list[tuple[tuple[str, ...], dict[str, Any], str, str]] = [
    (("/app/closed/run",), CLOSED, "image-unreadable", "user 65532:65532 of the image cannot read /app/closed/run"),
    ((small_root.PYTHON, "/app/own.py"), {"app/own.py": Member(mode=0o600)}, "image-unreadable", "/app/own.py"),
    (("/nowhere",), {}, "launch-failed", f"{CANNOT} /nowhere cannot be started: it is not in the image"),
    (("/app/run",), {"app/run": b"#!/bin/none\n"}, "launch-failed", "its interpreter /bin/none is not in the image"),
    (("/app/run",), {"app/run": b"\x7fELF"}, "launch-failed", "damaged, or built for another system"),
    (
        ("/app/run",),
        {"app/run": Member(b"#!/x", mode=0o644)},
        "launch-failed",
        "65532:65532 of the image may not execute it",
    ),
    ((), {}, "launch-failed", "the image has neither an entry point nor a command"),
    (("/app\0",), {}, "launch-failed", "null character"),
]


@BOTH
@pytest.mark.parametrize(("entrypoint", "members", "code", "words"), NOT_STARTED)
def test_a_program_that_cannot_be_started_is_named(
    entrypoint: tuple[str, ...], members: dict[str, Any], code: str, words: str, containers: Containers
) -> None:
    args = ["well"] if entrypoint else []
    result = containers.check("well", container={"entrypoint": entrypoint}, members=members, args=args)
    assert (result["code"], result["state"]) == (code, "failed"), result
    assert words in result["problem"]


def test_files_in_the_place_of_directories_are_named(containers: Containers) -> None:
    result = containers.check("well", members={"etc": Member(None), "etc/hosts": Member(None)})
    assert (result["code"], result["state"]) == ("launch-failed", "failed")
    assert "the image has a directory at /etc/hosts" in result["problem"]
    result = containers.check("well", container={"working_dir": "/app/in_container.py"})
    assert (result["code"], result["state"]) == ("launch-failed", "failed")


@BOTH
def test_a_unix_socket_is_in_the_directory_that_the_container_shares(containers: Containers) -> None:
    assert containers.check("unix", "{tmp}/s.sock", unix_socket="{tmp}/s.sock")["code"] is None


@BOTH
def test_users_and_groups_are_those_of_the_image(containers: Containers) -> None:
    tables = {
        "etc": Member(None),
        "etc/passwd": b"root:x:0:0::/root:/bin/sh\napp:x:1000:1001:App:/home/app:/bin/sh\n",
        "etc/group": b"root:x:0:\nmore:x:1002:app,other\n",
    }
    ids: dict[str, Any] = {"$.ids": [[1000] * 3, [1001] * 3], "$.variables.HOME": "/home/app"}
    if not containers.prefix:
        ids["$.groups"] = [1001, 1002]
    result = containers.check("well", container={"user": "app"}, members=tables, http=[{"path": "/", "json-path": ids}])
    assert result["code"] is None, result
    zero = {"$.ids": [[0] * 3, [0] * 3], "$.capabilities": ["0" * 16], "$.variables.HOME": "/root"}
    result = containers.check("well", container={"user": None}, members=tables, http=[{"path": "/", "json-path": zero}])
    assert result["code"] is None, result
    assert "container: the image's user is root" in containers.said
    result = containers.check("well", container={"user": "nobody"}, members=tables)
    assert (result["code"], result["problem"]) == ("launch-failed", "user nobody of the image is not in /etc/passwd")


@BOTH
def test_the_python_of_an_image_says_what_it_is(containers: Containers) -> None:
    answer = containers.check("well", asks=small_root.PYTHON)["python"]
    assert answer["version"] == ".".join(map(str, sys.version_info[:3]))
    assert answer["executable"] == small_root.PYTHON
    assert not answer["has_shell"]
    result = containers.check("well", asks="/app/no-python", members={"app/no-python": b"#!/nowhere"})
    assert (result["state"], result["code"]) == ("raised", "image-python")


@BOTH
def test_everything_ends_if_the_session_is_killed(containers: Containers) -> None:
    argv = containers.argv("daemon", soak=60)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": IMPORTABLE}) as session:
        try:
            wait_until(lambda: len(_programs()) > 1)
        finally:
            session.kill()
            for supervisor in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    supervisor.kill()
    wait_until(lambda: not _programs())
    wait_until(lambda: _removed(containers.temporary))
    containers.temporary.mkdir()


def _removed(directory: Path) -> bool:
    """Whether the directory is gone; a process that ends at this moment may remove its own files in it too."""
    shutil.rmtree(directory, ignore_errors=True)
    return not directory.exists()


def _programs() -> list[int]:
    """The processes of all programs in containers."""
    every = psutil.process_iter(["cmdline", "pid"])
    return [each.pid for each in every if "/app/in_container.py" in (each.info["cmdline"] or ())]


@BOTH
def test_a_kernel_that_cannot_join_directories_gets_one(
    prefix: tuple[str, ...], base: Base, tmp_path: Path, temporary: Path
) -> None:
    """The kernel joins no directories that are on joined ones already, as in a container in a container."""
    script = """
        set -e
        mount -t tmpfs tmpfs $1 && mkdir $1/1 $1/u1 $1/w1 $1/2 $1/u2 $1/w2 $1/lower
        mount -t overlay overlay -o lowerdir=$1/lower,upperdir=$1/u1,workdir=$1/w1 $1/1
        mount -t overlay overlay -o lowerdir=$1/1,upperdir=$1/u2,workdir=$1/w2 $1/2
        shift
        exec "$@"
    """
    place = tmp_path / "place"
    place.mkdir()
    containers = Containers(
        base, tmp_path, temporary, (*(prefix or ("unshare",)), "-m", "sh", "-c", script, "sh", str(place))
    )
    containers.cache = place / "2" / "cache"
    check = [{"path": "/", "json-path": {"$.joined": False, "$.directory": "/place", "$.writable[2]": "/data"}}]
    result = containers.check(
        "well",
        container={"working_dir": "/place", "volumes": {"/data": {}}},
        members={"data": Member(None, owner=65532)},
        http=check,
    )
    assert result["code"] is None, result


@pytest.mark.skipif(not USER_NAMESPACES, reason="no user namespaces here")
@pytest.mark.parametrize(
    ("kind", "skips"), [("user", "fail"), *((kind, "report") for kind in ("mnt", "pid", "ipc", "uts"))]
)
def test_a_kernel_that_refuses_skips_the_container(
    kind: str, skips: str, base: Base, tmp_path: Path, temporary: Path
) -> None:
    limit = f'echo 0 > /proc/sys/user/max_{kind}_namespaces; exec "$@"'
    containers = Containers(base, tmp_path, temporary, ("unshare", "-Ur", "sh", "-c", limit, "sh"))
    result = containers.check("well", skips=skips)
    assert result["state"] == "skipped", result
    assert "refuses" in result["reason"]
    assert result["code"] == ("check-failed" if skips == "fail" else None)
    answer = containers.check("well", asks=small_root.PYTHON)
    assert answer["python"] is None
    assert "refuses" in answer["reason"]


def test_an_image_for_another_machine_is_skipped(containers: Containers) -> None:
    result = containers.check("well", architecture="s390x")
    assert result["state"] == "skipped"
    assert result["reason"].startswith("it is for linux/s390x, and this machine is linux/")
    result = containers.check("well", architecture="s390x", skips="fail")
    assert result["code"] == "check-failed"
