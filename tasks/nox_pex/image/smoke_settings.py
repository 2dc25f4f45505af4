"""The smoke test of a container, by an engine or without: its boot, its ports, its settings, its skip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from nox_pex.errors import NoxPexError
from nox_pex.image.job import Job
from nox_pex.settings.image import Image, port_number
from nox_pex.settings.smoke import Smoke
from nox_pex.smoke import plan, result_line
from nox_pex.smoke.plan import Boot, Endpoint
from nox_pex.smoke.process import ports
from nox_pex.smoke.report import BootResult, SmokeReport
from nox_pex.system.messages import Say

BOOT: Final = Boot(condition="container", state="container")
"""The only boot: each container begins with the files of its image."""


_ALL_ADDRESSES: Final = "0.0.0.0"  # noqa: S104  # in a container, only published ports can be reached from outside


def inner_port(image: Image) -> int | None:
    """Return the port on which the container listens; None if it is that of the smoke test.

    With `args`, the container starts with them, as in production, and listens on the first port of `expose`.
    """
    return port_number("expose", image.expose[0]) if image.args and image.expose else None


def published_ports(smoke: Smoke, address: Endpoint, inner: int | None) -> Mapping[int, int]:
    """Return the ports to publish, and the container's port for each; none for a program that is not a server.

    `inner` is the container's port for that of `address`; None if it is the same.
    """
    if not smoke.is_server:
        return {}
    ports = {int(check.port): int(check.port) for check in smoke.tcp}
    if address.unix_socket is None:
        ports[address.port] = inner or address.port
    return ports


def fill_tokens(smoke: Smoke, inner: int | None) -> Smoke:
    """Return the settings with the tokens filled in that have another value in the container: host and port."""
    tokens = {"host": _ALL_ADDRESSES, **({} if inner is None else {"port": str(inner)})}

    def variables(env: Mapping[str, str]) -> dict[str, str]:
        return {name: plan.fill(value, tokens) for name, value in env.items()}

    commands = tuple(
        msgspec.structs.replace(
            command, args=tuple(plan.fill(argument, tokens) for argument in command.args), env=variables(command.env)
        )
        for command in smoke.command
    )
    args = tuple(plan.fill(argument, tokens) for argument in smoke.args)
    return msgspec.structs.replace(smoke, args=args, env=variables(smoke.env), command=commands)


def unreachable(published: Mapping[int, int], listening: Sequence[tuple[str, int]]) -> NoxPexError | None:
    """Return the error of a container that listens on none of its published ports, or only on loopback; else None.

    `published` is as from `published_ports`. `listening` has the addresses and ports on which its program listens.
    """
    reachable = [port for host, port in listening if not _is_loopback(host)]
    missing = sorted({*published.values()}.difference(reachable))
    if not missing:
        return None
    shown = ", ".join(str(port) for port in missing)
    inside = ", ".join(f"{host} port {port}" for host, port in listening[:3])
    problem = f"port {shown} of the container cannot be reached: its program listens on {inside or 'no port'}"
    remedy = "let it listen on 0.0.0.0 (`{host}` in `smoke.args`) and on the port that `expose` names"
    if reachable:
        remedy = f"if that is its port, write `expose = [{reachable[0]}]` next to `args` in the image's settings"
    rows = (("expected", f"port {shown} is reached from outside"), ("got", f"it listens on {inside or 'no port'}"))
    return NoxPexError("port-unreachable", problem, remedy, rows=rows)


def _is_loopback(host: str) -> bool:
    try:
        return ports.is_loopback(host)
    except ValueError:  # a program of the image prints the addresses: it may print anything
        return False


def skipped(
    job: Job, smoke: Smoke, *, file: Path, size: int, reason: str, remedy: str, say: Say, platform: str = ""
) -> SmokeReport:
    """Return the report on a container that cannot be started here, because of `reason`: a failure if `skips` says so.

    `file` is reported, with its `size` in bytes, and the `platform` of an image for several.
    """
    failure = None
    if smoke.skips == "fail":
        rows = (("expected", 'no skipped container (`skips = "fail"`)'), ("got", f"skipped: {reason}"))
        remedy = f'{remedy}, or set `skips = "report"`'
        subject = f"{job.target.name}, container"
        failure = NoxPexError("check-failed", f"container: skipped: {reason}", remedy, subject=subject, rows=rows)
    count = len(smoke.http) + len(smoke.tcp) + len(smoke.command)
    result = BootResult(condition=BOOT.condition, platform=platform, state="skipped", reason=reason, check_count=count)
    say(result_line.of_boot(result))
    return SmokeReport(name=job.target.name, binary=file, size=size, boot_results=(result,), failure=failure)
