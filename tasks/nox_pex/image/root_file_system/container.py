"""The start of a container as engines do it: its confinement, its variables and its command line.

Fact sources: the OCI image specification ("Image Configuration"), docker-run(1) for PATH, HOME and HOSTNAME.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.image.root_file_system.directories import RootDirectories
from nox_pex.image.root_file_system.user import ImageUser
from nox_pex.oci.image_config import ContainerConfig
from nox_pex.smoke.process.confinement import RootConfinement

_HOSTNAME: Final = "container"


_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The PATH of a container whose image sets none."""


_HOSTS: Final = f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 {_HOSTNAME}\n"


_RESOLVER: Final = Path("/etc/resolv.conf")


def confinement(
    directories: RootDirectories,
    config: ContainerConfig,
    user: ImageUser,
    *,
    place: Path,
    shared: tuple[Path, ...] = (),
    private_network: bool = False,
    join: int | None = None,
) -> RootConfinement:
    """Return the confinement of a program in a container. `place` is an empty directory."""
    return RootConfinement(
        lower=directories.lower,
        overlay=directories.overlay,
        place=place,
        user=user.user,
        group=user.group,
        groups=(user.group, *user.groups),  # engines name the first one too
        directory=config.working_dir or "/",
        hostname=_HOSTNAME,
        files={"/etc/hosts": _HOSTS, "/etc/hostname": f"{_HOSTNAME}\n", "/etc/resolv.conf": _resolver()},
        shared=shared,
        volumes=tuple(config.volumes or ()),
        private_network=private_network,
        as_root=directories.as_root,
        join=join,
    )


def variables(config: ContainerConfig, user: ImageUser, more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program: the engine's variables, those of the image, and `more`."""
    of_image = dict(variable.partition("=")[::2] for variable in config.env or ())
    return {"PATH": _PATH, "HOSTNAME": _HOSTNAME, "HOME": user.home, **of_image, **more}


def argv(config: ContainerConfig, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command line: the entry point, and `arguments` or if there are none those of the image.

    Raises `NoxPexError` `launch-failed` if there is none, or if the configuration has what no program can get.
    """
    found = (*(config.entrypoint or ()), *(arguments or config.cmd or ()))
    if not found:
        problem = "the image has neither an entry point nor a command"
        raise NoxPexError("launch-failed", problem, "choose another base, or set `args`")
    texts = (*found, *(config.env or ()), config.working_dir or "", *(config.volumes or ()))
    if any("\0" in text for text in texts):
        problem = "the configuration of the image has a null character in its command, variables or paths"
        raise NoxPexError("launch-failed", problem, "choose another base")
    return found


def _resolver() -> str:
    try:
        return _RESOLVER.read_text("utf-8", errors="replace")
    except OSError:
        return ""
