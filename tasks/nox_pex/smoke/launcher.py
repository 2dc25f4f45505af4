"""A program under supervision for the length of a `with` block, for other people's test suites."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import HttpCheck, Smoke, TcpCheck
from nox_pex.smoke import log, plan
from nox_pex.smoke.checks import http_client
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.program import Command, Program, clean_environment
from nox_pex.smoke.ready import Server, await_ready, check_free
from nox_pex.smoke.stop import stop
from nox_pex.smoke.workspace import present, workspace
from nox_pex.system.secrets import Secrets


@dataclass(frozen=True, kw_only=True)
class Launched:
    """A program that is ready at `url`. `tmp` is its TMPDIR, `log` the file with all that it prints."""

    url: str
    host: str
    port: int
    pid: int
    tmp: Path
    log: Path


@contextlib.contextmanager
def launch(
    path: str | os.PathLike[str],
    *,
    args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    pass_env: Sequence[str] = (),
    url: str = "http://127.0.0.1:{port}",
    unix_socket: str | None = None,
    ready: str | None = "/",
    ca_file: str | os.PathLike[str] | None = None,
    startup_timeout: float = 30.0,
    stop_signal: str = "TERM",
    stop_timeout: float = 10.0,
    stop_exit_codes: Sequence[int | str] = (0, "TERM"),
) -> Iterator[Launched]:
    """Runs a copy of the binary at `path` in an empty temporary directory until the block ends.

    `args`, `env`, `url` and `unix_socket` may hold the tokens `{host}`, `{port}` (a free one) and `{tmp}`.
    The block is entered when a GET of the path `ready` is answered with anything but a server error, by the program
    itself; with `ready=None` when it accepts connections. `ca_file` is what an `https` server is checked against.
    Timeouts are in seconds. At the end the program is stopped, and nothing of it is left.

    Raises `NoxPexError`, with the end of the log in `log`, when it cannot be started (`launch-failed`, `exited-early`,
    `port-taken`, `wrong-listener`, `startup-timeout`), and, where the block itself did not fail, when it has ended by
    then or does not stop as it should (`crashed`, `stop-timeout`, `stop-exit-code`, `left-processes`).

        with nox_pex.smoke.launch("dist/service.pex", args=["main:app", "--port", "{port}"]) as service:
            assert httpx2.get(service.url).json() == {"message": "Hello World"}
    """
    binary = present(Path(path))
    if unix_socket is not None and ready is None:
        problem = "`ready=None` waits for a port, and `unix_socket` is none"
        raise NoxPexError("usage", problem, "give `ready` a path that answers on the socket")
    smoke = Smoke(
        args=tuple(args),
        env=dict(env or {}),
        url=url,
        unix_socket=unix_socket,
        startup_timeout=startup_timeout,
        stop_signal=stop_signal,
        stop_timeout=stop_timeout,
        stop_exit_codes=tuple(stop_exit_codes),
        http=() if ready is None else (HttpCheck(path=ready),),
        tcp=(TcpCheck(port="{port}"),),
    )
    secrets = Secrets.of({**os.environ, **smoke.env})
    with contextlib.ExitStack() as stack:
        host = plan.host_of(smoke)
        port = stack.enter_context(ports.reserved_port(host, plan.fixed_port(smoke, None)))
        space = stack.enter_context(workspace(binary))
        smoke = plan.filled(smoke, host=host, port=port, tmp=space.tmp)
        endpoint = plan.endpoint(smoke, host=host, port=port)
        check = plan.readiness(smoke) or smoke.tcp[0]
        tls = http_client.trust(Path(ca_file) if ca_file else None) if endpoint.url.startswith("https:") else None
        server = Server(endpoint=endpoint, check=check, lenient=True, tls=tls)
        check_free(server)
        state = space.state("launch")
        output = space.root / "log"
        output.touch()
        environment = clean_environment(
            os.environ, pass_env=pass_env, home=state.home, pex_root=state.pex_root, tmp=space.tmp
        )
        program = Program(
            Command(
                argv=(str(state.executable), *smoke.args), env=environment | smoke.env, cwd=state.run, stdout=output
            ),
            remove=space.root,
        )
        stack.callback(program.end)
        try:
            program.start()
            await_ready(program, server, timeout=startup_timeout, say=lambda _: None)
            yield Launched(url=endpoint.url, host=host, port=port, pid=program.pid, tmp=space.tmp, log=output)
            _, failure = stop(program, with_signal=stop_signal, timeout=stop_timeout, exit_codes=smoke.stop_exit_codes)
            if failure is not None:
                raise failure
        except NoxPexError as error:
            error.log = error.log or log.tail(output, secrets)
            raise
