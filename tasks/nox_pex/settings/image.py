"""`[tool.nox-pex.binary.NAME.image]` as frozen typed values.

Everything that can be checked without an engine is checked here, while the settings are parsed.
Fact sources: the OCI distribution specification (tags), Docker's reference of Dockerfiles.
"""

# Without `from __future__ import annotations`: msgspec would compile the text of each annotation in every run.

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

import msgspec

from nox_pex.settings.table import HIGHEST_PORT, Seconds, Table, Timeout
from nox_pex.system.lazy import pattern
from nox_pex.system.wording import either

EngineName = Literal["docker", "podman", "buildah"]


_TOKEN: Final = pattern(r"\{[^{}]*\}?|\}")
"""A token in a tag, or a brace without its other half."""


_TOKENS: Final = ("{version}", "{git-sha}", "{python}")


_TAG: Final = pattern(
    r"(?:[a-zA-Z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:(?:\.|_{1,2}|-+|/)[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
)
"""A repository (`registry.example:5000/team/service`) and an optional tag."""


_USER: Final = pattern(r"[0-9]+(?::[0-9]+)?")
"""The number of a user, and optionally of a group. Names are refused: only the image's `/etc/passwd` knows them."""


_PORT: Final = pattern(r"(?P<number>[0-9]{1,5})(?:/(?:tcp|udp))?")


_PLATFORM: Final = pattern(r"linux/[a-z0-9]+(?:/v[0-9]+)?")


LAYOUT: Final = "oci:"
"""The beginning of a base that is an OCI layout on disk; its path follows."""


_VARIABLE: Final = pattern(r"[A-Za-z_][A-Za-z0-9_]*")


class Healthcheck(Table, frozen=True, kw_only=True):
    """The engine's check that a container still works: a GET of `path`, or a `command` that exits with status 0.

    `port` is by default the first of `expose`. Times are in seconds. The OCI image format has no health check, so
    podman and buildah then write images in Docker's format.
    """

    example: ClassVar[str] = '{ path = "/healthz", port = 8000 }'

    path: str | None = None
    """A path that the program must answer with a status under 400. The image's own Python requests it. Set exactly one
    of `path` and `command`.
    """
    port: int | None = None
    """The port for `path`; the default is the first one of `expose`."""
    command: tuple[str, ...] = ()
    """A command that runs in the container and must end with 0, instead of `path`."""
    interval: Timeout = 30.0
    """The seconds between two checks."""
    timeout: Timeout = 5.0
    """The seconds that a check may take."""
    start_period: Seconds = 30.0
    """The seconds after the start in which failures do not count."""
    retries: Annotated[int, msgspec.Meta(ge=1)] = 3
    """The number of failures that make the container unhealthy."""

    def _broken_rules(self) -> Iterator[str]:
        if (self.path is None) == (not self.command):
            remedy = "keep one" if self.command else 'write one, such as path = "/healthz"'
            msg = f"expected exactly one of path, command; {remedy}"
            yield msg
        if self.path is not None and not self.path.startswith("/"):
            msg = f'`path`: {self.path!r} must start with `/`; write a path without a host, such as "/healthz"'
            yield msg
        if self.port is not None:
            yield from _check_port("port", self.port)


class EngineArgs(Table, frozen=True, kw_only=True):
    """More arguments for the engine: before its command, after each `build`, after each `run`."""

    general: tuple[str, ...] = msgspec.field(default=(), name="global")
    """Arguments before the engine's subcommand: `["--log-level", "debug"]`."""
    build: tuple[str, ...] = ()
    """Arguments for each `build`: `["--network", "host"]`."""
    run: tuple[str, ...] = ()
    """Arguments for each `run`: `["--memory", "512m"]`."""


class Image(Table, frozen=True, kw_only=True):
    """`[tool.nox-pex.binary.NAME.image]`: the contents of the image, and how its container starts."""

    example: ClassVar[str] = '{ base = "python:3.12-slim" }'

    base: str
    """The base image; pin it by its digest. Without an engine also `oci:PATH`, `oci:PATH:TAG` or `oci:PATH@sha256:…`:
    an OCI layout on disk, relative to the project's directory.
    """
    builder: str | None = None
    """The image in which `--from-source` builds, with compilers if you need them; the default is `base`."""
    tag: tuple[str, ...] = ()
    """The names of the image, with the tokens `{version}`, `{git-sha}` (the commit, with `-dirty` if the binary has
    uncommitted changes) and `{python}` (`3.12`); the default is `NAME:latest`.
    """
    form: Literal["file", "unpacked"] = "file"
    """`"file"`: the image contains the PEX file; `"unpacked"`: the virtual environment that pex unpacks from it (needs
    `layout = "zipapp"`, and `execution-mode = "venv"` or `include-tools = true`).
    """
    user: int | str = 65532
    """The number of the user, or of user and group, as in `"65532:65532"`."""
    expose: tuple[int | str, ...] = ()
    """The ports that the program listens on, such as `8000` or `"53/udp"`."""
    env: dict[str, str] = {}
    """Environment variables; anybody can read them in the image, so never put secrets here."""
    labels: dict[str, str] = {}
    """Labels, in addition to those of the OCI image specification, or instead of those of the same name."""
    healthcheck: Healthcheck | None = None
    """How the engine checks that the container works. By default it does not."""
    args: tuple[str, ...] = ()
    """The default arguments of the container."""
    engine: Literal["auto", "docker", "podman", "buildah", "none"] = "auto"
    """The container engine. `"none"`: nox-pex writes the image itself, as an OCI layout. `"auto"`: the first engine
    that answers, or `"none"` if none does.
    """
    platforms: tuple[str, ...] = ()
    """The platforms of the image, such as `"linux/arm64"`; with several, the image is an index. With this key, no
    engine is used. The default is this machine's platform.
    """
    engine_args: EngineArgs = EngineArgs()
    """Arguments for the engine's command line. Without an engine they are ignored, so that `engine` can be changed
    alone.
    """
    containerfile: str | None = None
    """Your own Dockerfile to build instead, relative to the project's directory. It replaces `user`, `env`, `labels`
    and `healthcheck`, which must not be set. By default nox-pex writes one.
    """

    def _broken_rules(self) -> Iterator[str]:
        yield from _check_word("base", self.base, example="python:3.12-slim")
        if self.builder is not None:
            yield from _check_word("builder", self.builder, example="python:3.12")
        for tag in self.tag:
            yield from _check_tag(tag)
        if not _USER.fullmatch(str(self.user)):
            msg = f'`user`: {self.user!r} is not a number; write one such as 65532, or with a group "65532:65532"'
            yield msg
        for port in self.expose:
            yield from _check_port("expose", port)
        yield from _check_names("env", self.env)
        for label, value in self.labels.items():
            if not label.isprintable() or not _LABEL.fullmatch(label):
                msg = f"`labels`: {label!r} is not a name of a label; write one such as org.example.team"
                yield msg
            yield from _check_line("labels", value)
        check = self.healthcheck
        if check is not None and check.path is not None and check.port is None and not self.expose:
            msg = "`healthcheck`: it has a path, but neither it nor `expose` names a port; add one, such as port = 8000"
            yield msg
        if self.containerfile is not None:
            yield from _check_word("containerfile", self.containerfile, example="Dockerfile")
            yield from _check_unused(self)
        yield from _check_platforms(self.platforms)
        yield from _check_engine(self)

    @property
    def without_engine(self) -> bool:
        """Whether only nox-pex itself can build the image: no engine is asked then."""
        return self.engine == "none" or bool(self.platforms) or self.base.startswith(LAYOUT)


_LABEL: Final = pattern(r"[^\s\"'=\\$#]+")
"""A name that a Dockerfile has without quotes. Another one would change what the line says."""


_ONLY_IN_FILE: Final = ("user", "env", "labels", "healthcheck")
"""Keys that nox-pex only writes into its Dockerfile. (`expose` and `args` are also used to test the container.)"""


def _check_unused(image: Image) -> Iterator[str]:
    """Yield what is wrong with a key that has no effect because the project has its own Dockerfile."""
    defaults = Image(base=image.base)
    for key in _ONLY_IN_FILE:
        if getattr(image, key) != getattr(defaults, key):
            msg = f"`containerfile`: with it, `{key}` would have no effect; remove `{key}` and write it into the file"
            yield msg


def _check_platforms(platforms: tuple[str, ...]) -> Iterator[str]:
    for platform in platforms:
        if not _PLATFORM.fullmatch(platform):
            msg = f"`platforms`: {platform!r} is not a platform; write one such as linux/amd64 or linux/arm64"
            yield msg
    if len(set(platforms)) < len(platforms):
        msg = "`platforms`: a platform is there twice; name each once"
        yield msg


def _check_engine(image: Image) -> Iterator[str]:
    """Yield what is wrong with keys of which one needs an engine, and the other cannot be done by an engine."""
    if not image.without_engine:
        return
    reason = "platforms" if image.platforms else f'base = "{LAYOUT}…"'
    if image.engine not in ("auto", "none"):
        msg = f'`engine`: {image.engine} cannot build with {reason}; write engine = "none"'
        yield msg
    if image.containerfile is not None:
        reason = 'engine = "none"' if image.engine == "none" else reason
        msg = f"`containerfile`: it needs an engine, and {reason} has none; remove one of them"
        yield msg


def port_number(key: str, port: int | str) -> int:
    """Return the number of a port such as `8000` or `"53/udp"`.

    Raises `ValueError` for any other value; its text names the `key`.
    """
    match = _PORT.fullmatch(str(port))
    if match is None or not 0 < int(match["number"]) <= HIGHEST_PORT:
        msg = f'`{key}`: {port!r} is not a port; write a number from 1 to {HIGHEST_PORT}, or one such as "53/udp"'
        raise ValueError(msg)
    return int(match["number"])


def _check_port(key: str, port: int | str) -> Iterator[str]:
    try:
        port_number(key, port)
    except ValueError as error:
        yield str(error)


def _check_tag(tag: str) -> Iterator[str]:
    for token in _TOKEN.findall(tag):
        if token not in _TOKENS:
            msg = f"`tag`: {tag!r} has the unknown token {token}; use {either(_TOKENS)}"
            yield msg
            return
    plain = tag.replace("{version}", "1").replace("{git-sha}", "0").replace("{python}", "3")
    if not _TAG.fullmatch(plain):
        msg = f'`tag`: {tag!r} is not a name of an image; write one such as "registry.example/service:{{version}}"'
        yield msg


def _check_names(key: str, variables: dict[str, str]) -> Iterator[str]:
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name):
            msg = f"`{key}`: {name!r} is not a name of an environment variable; write one such as LOG_LEVEL"
            yield msg
        yield from _check_line(key, value)


def _check_line(key: str, text: str) -> Iterator[str]:
    if "\0" in text:  # no command line, environment or Dockerfile can hold it
        msg = f"`{key}`: {text!r} has a NUL character; remove it"
        yield msg
    elif len(f"{text}.".splitlines()) > 1:
        msg = f"`{key}`: {text!r} has more than one line; write it in one line"
        yield msg


def _check_word(key: str, text: str, *, example: str) -> Iterator[str]:
    if not text.isprintable():
        msg = f'`{key}`: {text!r} has an invisible character; write a name such as "{example}"'
        yield msg
    elif not text or " " in text:
        msg = f'`{key}`: {text!r} is empty or has a blank; write a name without blanks, such as "{example}"'
        yield msg
