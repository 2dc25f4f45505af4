"""`[tool.nox-pex.binary.NAME.image]` as frozen typed values.

What can be judged without an engine is judged here, when the settings are parsed: a `ValueError` that msgspec reports
with its path. Fact sources: the OCI distribution specification (tags), Docker's reference of Dockerfiles.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

import msgspec

from nox_pex.settings.table import HIGHEST_PORT, Table

EngineName = Literal["docker", "podman", "buildah"]


Timeout = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


_TOKEN: Final = re.compile(r"\{[^{}]*\}?|\}")


_TOKENS: Final = ("{version}", "{git-sha}")


_TAG: Final = re.compile(
    r"(?:[a-zA-Z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:(?:\.|_{1,2}|-+|/)[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
)
"""A repository (`registry.example:5000/team/service`), and a tag where it has one."""


_USER: Final = re.compile(r"[0-9]+(?::[0-9]+)?")


_PORT: Final = re.compile(r"(?P<number>[0-9]{1,5})(?:/(?:tcp|udp))?")


_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Healthcheck(Table, frozen=True, kw_only=True):
    """How the engine sees whether the container still works: a GET of `path`, or a `command` that ends with 0.

    `port` is by default the first of `expose`. Seconds are whole or not. OCI images have no such thing, so podman and
    buildah then make images in Docker's format.
    """

    path: str | None = None
    port: int | None = None
    command: tuple[str, ...] = ()
    interval: Timeout = 30.0
    timeout: Timeout = 5.0
    start_period: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 30.0
    retries: Annotated[int, msgspec.Meta(ge=1)] = 3

    def __post_init__(self) -> None:
        if (self.path is None) == (not self.command):
            msg = 'expected exactly one of path, command; write one, such as path = "/healthz"'
            raise ValueError(msg)
        if self.path is not None and not self.path.startswith("/"):
            msg = f"`path`: {self.path!r} must start with `/`; the container itself is asked"
            raise ValueError(msg)
        if self.port is not None:
            port_number("port", self.port)


class EngineArgs(Table, frozen=True, kw_only=True):
    """Words for the engine's command line: before the command, at each `build`, at each `run`."""

    general: tuple[str, ...] = msgspec.field(default=(), name="global")
    build: tuple[str, ...] = ()
    run: tuple[str, ...] = ()


class Image(Table, frozen=True, kw_only=True):
    """`[tool.nox-pex.binary.NAME.image]`: what the image is made of, and how its container starts."""

    base: str
    builder: str | None = None
    """The image in which `--from-source` builds; None: `base`."""
    tag: tuple[str, ...] = ()
    """Names of the image; none stands for `NAME:latest`."""
    form: Literal["file", "unpacked"] = "file"
    user: str | int = 65532
    expose: tuple[int | str, ...] = ()
    env: dict[str, str] = {}
    labels: dict[str, str] = {}
    healthcheck: Healthcheck | None = None
    args: tuple[str, ...] = ()
    engine: Literal["auto", "docker", "podman", "buildah"] = "auto"
    engine_args: EngineArgs = EngineArgs()
    containerfile: str | None = None
    """A file of the project's own, from its directory, instead of the one that nox-pex writes."""

    def __post_init__(self) -> None:
        _check_text("base", self.base)
        if self.builder is not None:
            _check_text("builder", self.builder)
        for tag in self.tag:
            _check_tag(tag)
        if not _USER.fullmatch(str(self.user)):
            msg = f"`user`: {self.user!r} is no number; write one such as 65532, or 65532:65532 with a group"
            raise ValueError(msg)
        for port in self.expose:
            port_number("expose", port)
        _check_names("env", self.env)
        for label, value in self.labels.items():
            _check_line("labels", label)
            _check_line("labels", value)
        check = self.healthcheck
        if check is not None and check.path is not None and check.port is None and not self.expose:
            msg = "`healthcheck`: it has a path and no port, and `expose` names none; add one"
            raise ValueError(msg)
        if self.containerfile is not None:
            _check_text("containerfile", self.containerfile)
            _check_unused(self)


_FILE_S: Final = ("user", "env", "labels", "healthcheck")
"""Keys that end up as lines of the file, and nowhere else: `expose` and `args` also say how the container is tried."""


def _check_unused(image: Image) -> None:
    plain = Image(base=image.base)
    for key in _FILE_S:
        if getattr(image, key) != getattr(plain, key):
            msg = f"`containerfile`: the file decides, and `{key}` would have no effect; write it into the file"
            raise ValueError(msg)


def port_number(key: str, port: int | str) -> int:
    """The number of a port such as `8000` or `"53/udp"`. Raises `ValueError`."""
    match = _PORT.fullmatch(str(port))
    if match is None or not 0 < int(match["number"]) <= HIGHEST_PORT:
        msg = f'`{key}`: {port!r} is no port; write a number from 1 to {HIGHEST_PORT}, or one such as "53/udp"'
        raise ValueError(msg)
    return int(match["number"])


def _check_tag(tag: str) -> None:
    for token in _TOKEN.findall(tag):
        if token not in _TOKENS:
            msg = f"`tag`: {tag!r} has {token}; there are {' and '.join(_TOKENS)}"
            raise ValueError(msg)
    plain = tag.replace("{version}", "1").replace("{git-sha}", "0")
    if not _TAG.fullmatch(plain):
        msg = f'`tag`: {tag!r} is no name of an image; write one such as "registry.example/service:{{version}}"'
        raise ValueError(msg)


def _check_names(key: str, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name):
            msg = f"`{key}`: {name!r} is no name of an environment variable; write one such as LOG_LEVEL"
            raise ValueError(msg)
        _check_line(key, value)


def _check_line(key: str, text: str) -> None:
    if "\n" in text or "\r" in text:
        msg = f"`{key}`: {text!r} has more than one line; write one"
        raise ValueError(msg)


def _check_text(key: str, text: str) -> None:
    if not text.strip() or any(character.isspace() for character in text):
        msg = f'`{key}`: {text!r} names nothing; write a name without blanks, such as "python:3.12-slim"'
        raise ValueError(msg)
