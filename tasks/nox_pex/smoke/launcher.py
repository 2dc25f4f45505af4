"""Run a program for the length of a `with` block. This is for the test suites of other projects."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.settings import explain
from nox_pex.settings.checks import HttpCheck
from nox_pex.settings.smoke import Smoke
from nox_pex.smoke import by_hand, plan
from nox_pex.smoke.checks import http_client
from nox_pex.smoke.log import Log
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.program import Command, Program, clean_environment
from nox_pex.smoke.ready import await_ready, check_free
from nox_pex.smoke.signs import AnswerSign, PortSign, Sign
from nox_pex.smoke.stop import stop
from nox_pex.smoke.workspace import existing_binary, open_workspace
from nox_pex.system.secrets import Secrets

_NO_SERVER_ERROR: Final = ("1xx", "2xx", "3xx", "4xx")


class Launched(Struct, frozen=True, kw_only=True):
    """A program that `launch` has started and that is ready."""

    url: str
    """The address of the program, such as `http://127.0.0.1:21842`."""

    host: str
    """The host in `url`."""

    port: int
    """The port of the program. With `unix_socket`, a free one that the program need not use."""

    pid: int
    """The process id of the program on this machine. The program itself may see another one, in its PID namespace."""

    tmp: Path
    """The program's temporary directory (`TMPDIR`)."""

    log: Path
    """The file with everything that the program has printed. It can be read at any time within the block."""


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
    """Run a copy of the binary at `path` in an empty temporary directory while a `with` block runs.

    The environment of the program is that of a new login: it gets no variable of this process, unless `pass_env` names
    it or `env` sets it. `args`, `env`, `url` and `unix_socket` may contain the tokens `{host}`, `{port}` (a free port)
    and `{tmp}`. The block is entered when the program itself answers a GET of the path `ready` with any status below
    500, or, with `ready=None`, when it accepts connections. `ca_file` is a PEM file with the authorities of an `https`
    server. Timeouts are in seconds. At the end the program is stopped, its processes are killed and its files are
    removed. For example::

        args = ["main:app", "--port", "{port}"]
        with nox_pex.smoke.launch("dist/service.pex", args=args) as service:
            assert httpx2.get(service.url).json() == {"message": "Hello World"}

    Raises `NoxPexError`, whose `log` has the last lines of the program's log. A traceback and pytest show them too:

    - `launch-failed`, `exited-early`, `port-taken`, `wrong-listener` or `startup-timeout` if it does not become ready,
    - `crashed`, `stop-timeout`, `stop-exit-code` or `left-processes` if the block does not raise, but the program has
      ended before the block or does not stop as it should,
    - `usage` if an argument is not valid, `ca_file` cannot be read or has no certificate, or `unix_socket` is set and
      `ready` is None,
    - `config` if an argument is not valid with its tokens filled in, or the path of `unix_socket` is too long.
    """
    binary = existing_binary(Path(path))
    if unix_socket is not None and ready is None:
        problem = "`ready=None` waits for a port, but `unix_socket` is not a port"
        raise NoxPexError("usage", problem, "set `ready` to a path that is answered on the socket")
    given = {
        "args": args,
        "env": env or {},
        "pass-env": pass_env,
        "url": url,
        "unix-socket": unix_socket,
        "startup-timeout": startup_timeout,
        "stop-signal": stop_signal,
        "stop-timeout": stop_timeout,
        "stop-exit-codes": stop_exit_codes,
        "http": [] if ready is None else [{"path": ready}],
        "tcp": [{"port": "{port}"}],
    }
    secrets = Secrets.of({**os.environ, **_texts(env)})
    with _masked(secrets), contextlib.ExitStack() as stack:
        smoke = _checked(given)
        host = plan.host_of(smoke)
        port = stack.enter_context(ports.reserved_port(host, plan.fixed_port(smoke, None)))
        workspace = stack.enter_context(open_workspace(binary))
        smoke = plan.fill_settings(smoke, host=host, port=port, tmp=workspace.tmp)
        endpoint = plan.endpoint(smoke, host=host, port=port)
        tls = _tls_context(ca_file) if endpoint.url.startswith("https:") else None
        sign: Sign = PortSign(endpoint=endpoint, port=port)
        if ready is not None:
            check = HttpCheck(path=ready, status=_NO_SERVER_ERROR)
            sign = AnswerSign(endpoint=endpoint, check=check, explicit=True, tls=tls)
        check_free(sign, endpoint)
        state = workspace.state("launch")
        output = stack.enter_context(contextlib.closing(Log.create(workspace.root / "log")))
        environment = clean_environment(
            os.environ, pass_env=smoke.pass_env, home=state.home, pex_root=state.pex_root, tmp=workspace.tmp
        )
        program = Program(
            Command(
                argv=(str(workspace.executable), *smoke.args),
                env=environment | smoke.env,
                cwd=workspace.run,
                stdout=output.path,
            ),
            remove=workspace.root,
        )
        stack.callback(program.end)
        try:
            program.start()
            await_ready(program, sign, timeout=startup_timeout, say=lambda _: None)
            yield Launched(url=endpoint.url, host=host, port=port, pid=program.pid, tmp=workspace.tmp, log=output.path)
            _, failure = stop(program, with_signal=stop_signal, timeout=stop_timeout, exit_codes=smoke.stop_exit_codes)
            if failure is not None:
                raise failure
        except NoxPexError as error:
            error.log = error.log or output.tail(secrets)
            error.by_hand = by_hand.program(
                binary, smoke.args, env=smoke.env, pass_env=smoke.pass_env, tmp=workspace.tmp, secrets=secrets
            )
            raise


@contextlib.contextmanager
def _masked(secrets: Secrets) -> Iterator[None]:
    """Mask the secrets in a failure, and add its other lines to what Python shows of it (PEP 678).

    pytest would show the original failure too if it were its cause.
    """
    try:
        yield
    except NoxPexError as error:
        masked = error.masked(secrets.mask)
        *before, _ = masked.lines
        if before:
            masked.add_note("\n".join(["The end of the program's log:"] * bool(masked.log) + before))
        raise masked from None


def _texts(env: object) -> dict[str, str]:
    """Return the variables in the argument `env`, which may be wrong."""
    items = env.items() if isinstance(env, Mapping) else ()
    return {name: value for name, value in items if isinstance(name, str) and isinstance(value, str)}


def _checked(given: Mapping[str, Any]) -> Smoke:
    """Return the settings with the keys `given`. Raises `NoxPexError` `usage` with every argument that is not valid."""
    values = {key: _as_toml(value) for key, value in given.items() if value is not None}
    found = explain.explain(values, Smoke, path="", dec_hook=lambda _, value: value)
    if found.refusals:
        problems = [(each.path.replace("-", "_").replace("http[0].path", "ready"), each) for each in found.refusals]
        raise NoxPexError.together(
            [NoxPexError("usage", f"launch({name}=…): {each.problem}", each.remedy) for name, each in problems]
        )
    return msgspec.convert(values, Smoke)


def _as_toml(value: Any) -> Any:
    """Return an argument as the value that a setting would have."""
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else value


def _tls_context(ca_file: str | os.PathLike[str] | None) -> ssl.SSLContext:
    try:
        return http_client.tls_context(Path(ca_file) if ca_file else None)
    except (OSError, ValueError) as error:  # `ssl.SSLError` is an `OSError`; a path may have a null character
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        problem = f"launch(ca_file={os.fspath(ca_file or '')!r}) cannot be used: {reason}"
        raise NoxPexError("usage", problem, "name a PEM file with certificates") from None
