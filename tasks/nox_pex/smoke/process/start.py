"""Start the program that a description names: confined, and in a PID namespace if the kernel has them.

The supervisor imports this file, so it may import only the standard library.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nox_pex.smoke.process.confine import Confinement
    from nox_pex.smoke.process.pid_namespace import Event, PidNamespace


def start(spec: Mapping[str, Any], *, contain: bool, private: Sequence[int]) -> tuple[Event, PidNamespace | None]:
    """Start the program that `spec` describes. Return an event, and the PID namespace in which it runs, or None.

    The event has `started` and `at`, or `failed` and `reason`, or `refused` with the reason. `uncontained` says why the
    program is in no PID namespace although `contain` asks for one. The program gets none of the descriptors `private`.
    """
    confinement = None
    if spec["confine"]:
        confinement = _confinement(spec["confine"])
    with contextlib.ExitStack() as stack:
        stdin, stdout = (
            stack.enter_context(Path(spec[name]).open(mode)) for name, mode in (("stdin", "rb"), ("stdout", "ab"))
        )
        stderr = stack.enter_context(Path(spec["stderr"]).open("ab")) if spec["stderr"] else stdout
        refusal = confinement.confine_supervisor() if confinement else None
        if refusal is not None:
            return {"refused": refusal}, None
        launch = _Launch(spec, confinement, (stdin, stdout, stderr))
        if contain and sys.platform == "linux":
            return _start_contained(launch, private)
        return launch(), None


class _Launch:
    """Launches the program of `spec` as a child of the calling process. `streams` are its input, output and errors."""

    def __init__(
        self, spec: Mapping[str, Any], confinement: Confinement | None, streams: tuple[IO[bytes], ...]
    ) -> None:
        self._spec = spec
        self._streams = streams
        self._program: subprocess.Popen[bytes] | None = None
        self.confinement = confinement

    def __call__(self, announce: Callable[[], None] | None = None) -> Event:
        """Launch the program. Return an event. An init gives `announce`, which is called first in the new process."""
        confinement = self.confinement

        def prepare() -> None:
            if announce is not None:
                announce()
            if confinement is not None:
                confinement.confine_program(entered=announce is not None)

        stdin, stdout, stderr = self._streams
        started = time.monotonic()
        try:
            # In a new session it has no terminal, and a signal to Nox's process group does not reach it.
            self._program = subprocess.Popen(
                self._spec["argv"], env=self._spec["env"], cwd=self._spec["cwd"],
                stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True,
                preexec_fn=prepare if confinement or announce else None,  # noqa: PLW1509  # there is one thread
            )  # fmt: skip
        except OSError as error:
            return {"failed": error.errno, "reason": error.strerror}
        except subprocess.SubprocessError:
            return confinement.refusal if confinement else {"refused": "the system refuses to prepare it"}
        # The supervisor or the init reaps every child, so `Popen` must not wait for this one.
        self._program.returncode = 0
        return {"started": self._program.pid, "at": started}


def _confinement(spec: Mapping[str, Any]) -> Confinement:
    if spec["kind"] == "root":
        from nox_pex.smoke.process.root_file_system import RootConfinement  # noqa: PLC0415  # it works only on Linux

        return RootConfinement(spec)
    from nox_pex.smoke.process.confine import Confinement  # noqa: PLC0415  # it works only on Linux

    return Confinement(spec)


def _start_contained(launch: _Launch, private: Sequence[int]) -> tuple[Event, PidNamespace | None]:
    """Start the program in a PID namespace, or without one if the kernel refuses it and the program needs none."""
    from nox_pex.smoke.process import confine, kernel, pid_namespace  # noqa: PLC0415  # they work only on Linux

    confinement = launch.confinement
    join = confinement.file_systems_of if confinement else None
    try:
        namespace = pid_namespace.PidNamespace(
            launch,
            begin=confinement.begin_pid_namespace if confinement else lambda: confine.enter_new_pid_namespace(None),
            prepare_init=confinement.prepare_init if confinement else confine.mount_proc,
            private=private,
        )
    except kernel.RefusedError as refusal:
        # In the file systems of another program, `/proc` would show other processes.
        shows_others = join is not None and not confine.shares_pid_namespace(join)
        if shows_others or (confinement is not None and not confinement.optional_pid_namespace):
            return {"refused": str(refusal)}, None
        return {**launch(), "uncontained": str(refusal)}, None
    return namespace.launch(), namespace
