"""Boot times, from the start of a process to its first answer with status 200, and the memory of its processes."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from benchmarks.bench import Bench
from benchmarks.builds import built, size, ways
from benchmarks.competitors import WAYS, Way
from benchmarks.execution import Step, clean_environ, reason
from benchmarks.results import NOX_PEX, Key

PIECE: Final = "boot"
VENV: Final = "plain virtual environment"
UNPACKED: Final = "nox-pex, unpacked"
_LONGEST: Final = 60.0
_PAUSE: Final = 0.002
_LOOK: Final = 0.02
_OK: Final = 200
_ARGUMENTS: Final = ("main:app", "--port")
COLD: Final = "cold-boot"
WARM: Final = "warm-boot"
_ROUNDS: Final = {"hello": 3, "app": 2, "data": 1}
_QUICK_ROUNDS: Final = 2
_ALIKE: Final = ("pex --pylock", "pex --pex-repository", "uv and pex", "shiv --uncompressed")
"""Ways that build the same binary as `pex --venv-repository`, or one that differs only in its compression."""


@dataclass(frozen=True, kw_only=True)
class Boot:
    """Seconds to the first answer, or the reason why there was none. `memory` is the peak in bytes, if measured."""

    seconds: float | None
    memory: int | None = None
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """The way to start a program: `argv`, followed by its arguments, in the directory `cwd`, with `env`.

    `cache` is the variable for the directory that the program unpacks itself into, and `unpacked` is that directory.
    Both are None if the program does not unpack itself.
    """

    argv: tuple[str, ...]
    cwd: Path
    unpacked: Path | None = None
    cache: str | None = None

    @property
    def env(self) -> dict[str, str]:
        """The variables that a process manager sets; nothing stops Python from caching bytecode."""
        environ = {name: value for name, value in clean_environ(os.environ).items() if name in ("PATH", "LANG")}
        environ["HOME"] = str(self.cwd)
        return {**environ, self.cache: str(self.unpacked)} if self.cache else environ

    def remove_unpacked(self) -> None:
        """Remove the files that an earlier boot unpacked."""
        if self.unpacked is not None:
            shutil.rmtree(self.unpacked, ignore_errors=True)


def measure(bench: Bench, project: str, finished: Mapping[str, Path]) -> None:
    """Measure the wanted boots of a project, with the checkouts in `finished`, by way, or else with new builds."""
    if not bench.wanted.has(PIECE):
        return
    launches = _launches(bench, project, finished)
    rounds = bench.wanted.at_most(_QUICK_ROUNDS if bench.wanted.quick else _ROUNDS[project])
    if VENV in launches:
        boot(launches[VENV], log=_log(bench, _key(project, "first", VENV)))  # caches its bytecode
    for number in range(rounds):
        bench.say(f"{PIECE}: {project}: {number + 1} of {rounds}")
        _round(bench, project, launches)
    if not bench.wanted.quick and project == "hello":
        _watched(bench, project, launches)


def boot(launch: Launch, *, log: Path, watch: bool = False) -> Boot:
    """Start a program, wait for its answer, and stop it. `watch` measures its memory, which costs a little time."""
    port = _free_port()
    with log.open("wb") as output:
        started = time.perf_counter()
        try:
            process = subprocess.Popen(
                [*launch.argv, *_ARGUMENTS, str(port)],
                cwd=launch.cwd,
                env=launch.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return Boot(seconds=None, failure=f"cannot be started: {error.strerror}")
    try:
        seconds, memory = _until_answered(process, port, started=started, watch=watch)
    finally:
        _end(process)
    if seconds is None:
        return Boot(seconds=None, failure=reason(log.read_text("utf-8", "replace"), process.returncode))
    return Boot(seconds=seconds, memory=memory)


def launch_of(bench: Bench, way: Way, root: Path, *, project: str) -> Launch:
    """The launch of what `way` built in its checkout at `root`, from an empty directory."""
    cwd = _empty(bench, f"{project}.{way.name}")
    unpacked = bench.work / "unpacked" / cwd.name if way.cache else None
    return Launch(argv=(str(root / way.launch),), cwd=cwd, cache=way.cache, unpacked=unpacked)


def _launches(bench: Bench, project: str, finished: Mapping[str, Path]) -> dict[str, Launch]:
    """The launch of each way's result, by name; records its size too."""
    launches: dict[str, Launch] = {}
    for way in ways(bench, project):
        root = finished.get(way.name) or built(bench, project, way)
        if root is None:
            continue
        if way.name not in _ALIKE:
            launches[way.name] = launch_of(bench, way, root, project=project)
        bench.recorder.add(_key(project, "size", way.name), size(root / way.artifact), unit="bytes")
        if way.name == "pex --venv-repository":  # its `.venv` is the environment that Poetry made
            launches[VENV] = Launch(argv=(str(root / ".venv/bin/uvicorn"),), cwd=_sources(bench, root, project))
        if way.name == NOX_PEX:
            launches[UNPACKED] = _unpacked(bench, root, project)
    return launches


def _round(bench: Bench, project: str, launches: dict[str, Launch]) -> None:
    """Boot everything in turn: first with nothing unpacked, and then with what the first boot unpacked."""
    for case in (COLD, WARM):
        for name, launch in list(launches.items()):
            if case == COLD:
                if name == VENV:
                    continue  # it unpacks nothing
                launch.remove_unpacked()
                if name == UNPACKED:
                    _unpack(bench, Path(launch.argv[0]).parent)
            key = _key(project, case, name)
            booted = boot(launch, log=_log(bench, key))
            bench.recorder.add(key, booted.seconds, failure=booted.failure)
            if booted.failure:
                del launches[name]


def _watched(bench: Bench, project: str, launches: Mapping[str, Launch]) -> None:
    """Boot everything once more, not timed, and record the memory."""
    for case in (COLD, WARM):
        for name, launch in launches.items():
            if case == COLD:
                launch.remove_unpacked()
            key = _key(project, case.replace("boot", "memory"), name)
            booted = boot(launch, log=_log(bench, key), watch=True)
            bench.recorder.add(key, booted.memory, unit="bytes", failure=booted.failure)


def _unpacked(bench: Bench, root: Path, project: str) -> Launch:
    into = bench.work / "unpacked" / f"{project}.tree"
    into.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(root / WAYS[NOX_PEX].artifact, into.with_suffix(".pex"))
    _unpack(bench, into)
    return Launch(argv=(str(into / "pex"),), cwd=_empty(bench, f"{project}.tree"))


def _unpack(bench: Bench, into: Path) -> None:
    """Unpack the binary into a directory with bytecode, as a deployment or an image build does once."""
    tool = bench.tools.pex.with_name("pex-tools")
    arguments = ("venv", "--compile", "--force", str(into))
    step = Step(name="unpack", argv=(str(tool), str(into.with_suffix(".pex")), *arguments))
    env = {**clean_environ(os.environ), "PEX_ROOT": str(bench.work / "unpacked" / "tools")}
    timed = bench.runner.run([step], cwd=into.parent, env=env, label="boot.unpack")
    if timed.failure:
        bench.say(f"boot: {timed.failure}")


def _until_answered(
    process: subprocess.Popen[bytes], port: int, *, started: float, watch: bool
) -> tuple[float | None, int | None]:
    peak, looked = 0, 0.0
    while process.poll() is None and time.perf_counter() - started < _LONGEST:
        if watch and time.perf_counter() - looked > _LOOK:
            peak, looked = max(peak, _resident(process.pid)), time.perf_counter()
        if answers(port):
            seconds = time.perf_counter() - started
            return seconds, max(peak, _resident(process.pid)) if watch else None
        time.sleep(_PAUSE)
    return None, None


def answers(port: int) -> bool:
    """Whether a server at this port of this machine answers with status 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10.0)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/")
        return connection.getresponse().status == _OK
    return False


def _resident(pid: int) -> int:
    """The resident bytes of a process and its descendants."""
    total = 0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5.0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def _key(project: str, case: str, subject: str) -> Key:
    return Key(piece=PIECE, project=project, case=case, subject=subject)


def _log(bench: Bench, key: Key) -> Path:
    bench.runner.logs.mkdir(parents=True, exist_ok=True)
    return bench.runner.logs / f"{key.piece}-{key.project}-{key.case}-{key.subject.replace(' ', '-')}.log"


def _empty(bench: Bench, name: str) -> Path:
    path = bench.work / "run" / name.replace(" ", "-")
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def _sources(bench: Bench, root: Path, project: str) -> Path:
    """A new directory with only the sources, to start the server in."""
    path = _empty(bench, f"{project}.sources")
    for source in (root / "main.py", root / "shop"):
        if source.is_dir():
            shutil.copytree(source, path / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copyfile(source, path / source.name)
    return path
