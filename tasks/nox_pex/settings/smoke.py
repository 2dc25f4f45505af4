"""`[tool.nox-pex.binary.NAME.smoke]` and `.budget` as frozen typed values.

Everything that can be checked without running the binary is checked here, while the settings are parsed. A wrong
regular expression, size, signal or JSONPath breaks a rule of its table. Any text in the
smoke table may have the tokens `{host}`, `{port}` and `{tmp}`, which `nox_pex.smoke.plan` replaces, and a check may
have those that an earlier check captured.
"""

# Without `from __future__ import annotations`: msgspec would compile the text of each annotation in every run.

from collections.abc import Iterator
from typing import ClassVar, Literal

from nox_pex.settings.captures import check_captures
from nox_pex.settings.checks import CommandCheck, HttpCheck, TcpCheck
from nox_pex.settings.table import Seconds, Table, Timeout
from nox_pex.settings.values import (
    HIGHEST_EXIT,
    Status,
    check_headers,
    check_path,
    check_patterns,
    check_size,
    check_socket,
    check_url,
    check_value,
    signal_number,
    statuses,
)

Condition = Literal["cold", "warm", "unprivileged", "read-only", "offline"]


BootCondition = Literal[Condition, "scie", "container"]
"""The circumstances of a boot: a condition that the settings choose, the scie instead of the PEX, or the container that
`image` starts."""


class Ready(Table, frozen=True, kw_only=True):
    """The sign that the program is ready: it answers a GET of `path` with `status`, or `log` matches in its log."""

    example: ClassVar[str] = '{ path = "/healthz" }'

    path: str | None = None
    """The path to request with `GET`. Set exactly one of `path` and `log`."""
    log: str | None = None
    """A regular expression that must match a line of the log, instead of `path`, for a worker that has no port."""
    status: Status = "2xx"
    """The expected status."""
    request_headers: dict[str, str] = {}
    """Headers to send."""

    def _broken_rules(self) -> Iterator[str]:
        if (self.path is None) is (self.log is None):
            yield 'the program is ready by either `path` or `log`; write one such as { path = "/healthz" }'
        if self.path is not None:
            yield from check_path("path", self.path)
        elif self.request_headers or self.status != "2xx":
            yield "`log`: a line of the log has no `status` and no `request-headers`; remove them"
        yield from check_headers("request-headers", self.request_headers)
        yield from check_value("status", statuses, self.status)
        yield from check_patterns(log=self.log)


class Budget(Table, frozen=True, kw_only=True):
    """Limits of the binary: bytes on disk, seconds until it is ready, resident bytes of its whole process tree."""

    size: str | None = None
    """The size of the file, as in `"60 MB"`. By default there is no limit."""
    cold_boot: Timeout | None = None
    """The seconds from the launch until the program is ready, with nothing unpacked yet. By default there is no limit.
    """
    warm_boot: Timeout | None = None
    """The seconds from the launch until the program is ready, with everything unpacked. By default there is no limit.
    """
    memory: str | None = None
    """The peak resident memory of all processes of the program together, as in `"200 MB"`. By default there is no
    limit.
    """

    def _broken_rules(self) -> Iterator[str]:
        yield from check_size("size", self.size)
        yield from check_size("memory", self.memory)


class Smoke(Table, frozen=True, kw_only=True):
    """`[tool.nox-pex.binary.NAME.smoke]`: how the binary is launched, what it must answer, how it must stop."""

    args: tuple[str, ...] = ()
    """The arguments of the program's command line."""
    env: dict[str, str] = {}
    """Environment variables to set for the program."""
    pass_env: tuple[str, ...] = ()
    """Names of variables that the program gets from your environment."""
    before: tuple[tuple[str, ...], ...] = ()
    """Commands to run before each condition, in the project's directory. Each is an array of strings: the program and
    its arguments.
    """
    after: tuple[tuple[str, ...], ...] = ()
    """Commands to run after each condition, in the project's directory, even after a failure."""
    before_all: tuple[tuple[str, ...], ...] = ()
    """Commands to run once, before all conditions, in the project's directory."""
    after_all: tuple[tuple[str, ...], ...] = ()
    """Commands to run once, after all conditions, in the project's directory, even after a failure."""
    before_timeout: Timeout = 600.0
    """The seconds that each command of `before`, `after`, `before-all` and `after-all` may take."""
    url: str = "http://127.0.0.1:{port}"
    """The address of the program; `https` and `[::1]` work too."""
    unix_socket: str | None = None
    """The absolute path of the Unix socket that the program listens on instead of a port. It may begin with `{tmp}/`.
    `url` then only gives the scheme and the `Host` header. By default the program listens on the port of `url`.
    """
    ready: Ready | None = None
    """The answer or the line of the log that shows that the program is ready; the default is the answer to the first
    `GET` or `HEAD` check without a body or a captured value, or else the open port.
    """
    startup_timeout: Timeout = 30.0
    """The seconds that the program may take to become ready."""
    soak: Seconds = 0.5
    """The seconds that the program must keep running after all checks."""
    stop_signal: str = "TERM"
    """The signal that asks the program to stop."""
    stop_timeout: Timeout = 10.0
    """The seconds that the program may take to stop."""
    stop_exit_codes: tuple[int | str, ...] = (0, "TERM")
    """The allowed exit statuses; for a signal with number N, its name allows -N (the signal ended the program) and
    128+N.
    """
    conditions: tuple[Condition, ...] = ("cold", "warm")
    """The [conditions](smoke.md#conditions) of the boots, one after another."""
    skips: Literal["report", "fail"] = "report"
    """Report the skip, or fail, if this machine cannot provide a condition."""
    log_require: tuple[str, ...] = ()
    """Regular expressions, each of which must match a line of the log."""
    log_forbid: tuple[str, ...] = ()
    """Regular expressions that no line of the log may match."""
    http: tuple[HttpCheck, ...] = ()
    """Requests, and the answers that are expected."""
    command: tuple[CommandCheck, ...] = ()
    """Runs of the binary, and the results that are expected."""
    tcp: tuple[TcpCheck, ...] = ()
    """Ports that must accept connections."""

    def _broken_rules(self) -> Iterator[str]:
        yield from check_url(self.url)
        yield from check_socket("unix-socket", self.unix_socket)
        yield from check_value("stop-signal", signal_number, self.stop_signal)
        for code in self.stop_exit_codes:
            if isinstance(code, str):
                yield from check_value("stop-exit-codes", signal_number, code)
            elif not -HIGHEST_EXIT <= code <= HIGHEST_EXIT:
                msg = (
                    f"`stop-exit-codes`: {code} is not an exit status; "
                    f'write one from -{HIGHEST_EXIT} to {HIGHEST_EXIT}, or a signal such as "TERM"'
                )
                yield msg
        if not self.conditions or len(set(self.conditions)) != len(self.conditions):
            msg = '`conditions`: expected at least one condition, and none twice; write a list such as ["cold"]'
            yield msg
        yield from self._broken_commands()
        yield from check_patterns(log_require=self.log_require, log_forbid=self.log_forbid)
        yield from self._unused()
        before = ("args", "env", "before", "after", "before-all", "after-all", "url", "unix-socket", "ready")
        yield from check_captures(
            self.http,
            self.tcp,
            self.command,
            before={key: getattr(self, key.replace("-", "_")) for key in before},
        )

    def _broken_commands(self) -> Iterator[str]:
        """Yield the broken rules of the user's own commands."""
        own = {"before": self.before, "after": self.after, "before-all": self.before_all, "after-all": self.after_all}
        for key, commands in own.items():
            if not all(commands):
                yield f'`{key}`: a command is empty; write commands such as [["python", "seed.py"]]'
        for key in ("before-all", "after-all"):
            if any("{tmp}" in word for command in own[key] for word in command):
                yield f"`{key}`: it runs once, but each condition has another {{tmp}}; use `{key.removesuffix('-all')}`"

    def _unused(self) -> Iterator[str]:
        """Yield the keys that only a server has, if the program is none: it has commands, but nothing to wait for."""
        if self.is_server or not self.command:
            return
        for key, value in (("args", self.args), ("unix-socket", self.unix_socket)):
            if value:
                yield (
                    f"`{key}`: it is for a program that keeps running, and only commands are checked; "
                    'set `args` of each command, or add `ready`, such as { log = "started" }'
                )

    @property
    def is_server(self) -> bool:
        """Whether the program keeps running until it is stopped: a server, or a worker without a port."""
        return bool(self.http or self.tcp or self.ready)
