"""Writes the text of a Dockerfile. Pure.

Fact sources: Docker's reference of Dockerfiles (quoting, exec form), the OCI image specification's annotations, pex's
recipe for container images. The text uses neither `--chmod` nor here-documents, which older engines do not support.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.image import scanner_files
from nox_pex.image.split_pex import SplitPex, split_paths
from nox_pex.settings.image import Healthcheck, Image, port_number
from nox_pex.system.environ import EPOCH

PEX_ROOT: Final = "/tmp/pex"  # noqa: S108  # a path in the container


APP: Final = "/app"


_SECRETS: Final = (
    "--mount=type=secret,id=pip.conf,target=/etc/pip.conf",
    "--mount=type=secret,id=ca.pem",
    "--mount=type=secret,id=environment",
)


_HOME: Final = "/root"
"""The home directory of the first stage's user, which is root: caches go there."""


_CACHES: Final = (f"--mount=type=cache,target={_HOME}/.cache", "--mount=type=cache,target=/src/.nox")


_STAGED: Final = "/image"
"""The directory of the first stage with what the image gets, so that it is one layer."""


_CONTINUED: Final = " \\"


class BuilderStage(Struct, frozen=True, kw_only=True):
    """A first stage that builds the binary from the sources.

    `image` is the stage's image, and `python` its interpreter. `requirement` is what pip installs there: nox-pex with
    its version, or the path of a wheel in the context. `binary` is the path of the binary that is built, from the
    project's directory.
    """

    image: str
    python: str
    requirement: str
    binary: str


class Dockerfile(Struct, frozen=True, kw_only=True):
    """The values in a Dockerfile.

    `file` is the binary's name in the context. `python` is the path of the base's interpreter. `starts_directly` says
    that the container starts the binary itself, and not `python` with the binary as its argument. `project` is the name
    of the project's distribution, or None if the project ships as loose files. `builder` is None if the binary itself
    is in the context.
    """

    name: str
    version: str | None
    image: Image
    file: str
    python: str
    starts_directly: bool
    project: str | None
    labels: Mapping[str, str] = {}
    builder: BuilderStage | None = None

    @property
    def unpacked(self) -> bool:
        """Whether the image gets a virtual environment instead of the file."""
        return self.image.form == "unpacked"

    @property
    def parts(self) -> SplitPex:
        """The names of the two files that the binary is split into."""
        return split_paths(Path(self.file))


def text(dockerfile: Dockerfile) -> str:
    """Return the text of the Dockerfile."""
    return "\n".join(_lines(dockerfile)) + "\n"


def entrypoint(dockerfile: Dockerfile) -> tuple[str, ...]:
    """Return the command that the container starts, without its arguments."""
    if dockerfile.unpacked:
        return (f"{APP}/pex",)
    file = f"{APP}/{dockerfile.file}"
    return (file,) if dockerfile.starts_directly else (dockerfile.python, file)


def _lines(dockerfile: Dockerfile) -> Iterator[str]:
    name, version = dockerfile.name, f" {dockerfile.version}" if dockerfile.version else ""
    context = "is the project's directory" if dockerfile.builder else f"holds {' and '.join(_shipped(dockerfile))}"
    yield f"# {name}{version}, written by nox-pex. To change it, copy it and set `containerfile` to the copy."
    yield f"# By hand: docker build --file {dockerfile.file.removesuffix('.pex')}.Dockerfile DIRECTORY"
    yield f"# where DIRECTORY {context}."
    yield ""
    yield from _build_stage(dockerfile, dockerfile.builder) if dockerfile.builder else _copy_stage(dockerfile)
    if dockerfile.unpacked:
        yield from _unpacking_stages(dockerfile)
    yield ""
    yield "# The image itself."
    yield f"FROM {dockerfile.image.base}"
    yield from _copies(dockerfile)
    yield from _configuration(dockerfile)
    yield f"ENTRYPOINT {_exec_form(entrypoint(dockerfile))}"
    if dockerfile.image.args:
        yield f"CMD {_exec_form(dockerfile.image.args)}"


def _shipped(dockerfile: Dockerfile) -> tuple[str, ...]:
    """Return the names of the files that the first stage provides."""
    if dockerfile.unpacked:
        return dockerfile.parts.dependencies.name, dockerfile.parts.own.name
    return dockerfile.file, scanner_files.archive_path(Path(dockerfile.file)).name


def _copy_stage(dockerfile: Dockerfile) -> Iterator[str]:
    if dockerfile.unpacked:
        yield "# The PEX file, which was built before."
        yield "FROM scratch AS binary"
        for file in _shipped(dockerfile):
            yield f"COPY {file} /{file}"
        return
    file, metadata = _shipped(dockerfile)
    yield "# The PEX file, which was built before, and the METADATA of its distributions, which scanners look for."
    yield "FROM scratch AS binary"
    yield f"COPY {file} {_STAGED}{APP}/{file}"
    yield f"ADD {metadata} {_STAGED}{scanner_files.DIRECTORY}/"


def _build_stage(dockerfile: Dockerfile, builder: BuilderStage) -> Iterator[str]:
    requirement = builder.requirement
    wheel = f"/tmp/{requirement.rpartition('/')[2]}" if "/" in requirement else None  # noqa: S108  # in the container
    yield "# The PEX file, built by Poetry and pex with the compilers of this stage. Secrets (pip's configuration,"
    yield "# credentials of an index) are mounted, so that no layer contains them."
    yield f"FROM {builder.image} AS binary"
    yield f"RUN {_exec_form((builder.python, '-I', '-m', 'venv', '/nox'))}"
    if wheel is not None:
        yield f"COPY {requirement} {wheel}"
    yield f"RUN {' '.join(_SECRETS)} \\"
    yield f"    /nox/bin/pip install --no-cache-dir {wheel or requirement}"
    yield "COPY . /src"
    yield "WORKDIR /src"
    yield f"RUN {' '.join((*_SECRETS, *_CACHES))} \\"
    yield "    if [ -f /run/secrets/environment ]; then set -a; . /run/secrets/environment; set +a; fi \\"
    yield "    && printf 'import nox_pex\\nnox_pex.register(\"/src\")\\n' > /nox/noxfile.py \\"
    yield f"    && /nox/bin/nox --noxfile /nox/noxfile.py --session pex -- {dockerfile.name} \\"
    yield f"    && mv {builder.binary} /{dockerfile.file}{_CONTINUED}"
    if dockerfile.unpacked:
        arguments = f"/{dockerfile.file} {dockerfile.project or ''}".rstrip()
        yield f"    && /nox/bin/python -I -m nox_pex.image.split_pex {arguments}"
        return
    arguments = f"/{dockerfile.file} {dockerfile.name} {_STAGED}"
    yield f"    && /nox/bin/python -I -m nox_pex.image.scanner_files {arguments}{_CONTINUED}"
    yield f"    && mkdir {_STAGED}{APP} && mv /{dockerfile.file} {_STAGED}{APP}/{dockerfile.file}"


def _unpacking_stages(dockerfile: Dockerfile) -> Iterator[str]:
    yield ""
    yield "# The dependencies, unpacked and compiled: built again only if the lock changes. (With a fixed date, Python"
    yield "# checks bytecode against a hash of its source, and not against the source's time.)"
    yield from _unpacking_stage(dockerfile, "dependencies", dockerfile.parts.dependencies.name, "--scope=deps")
    yield ""
    yield "# The project's own code, unpacked and compiled: built again after each edit."
    yield from _unpacking_stage(dockerfile, "own", dockerfile.parts.own.name, "--scope=all")


def _unpacking_stage(dockerfile: Dockerfile, stage: str, file: str, scope: str) -> Iterator[str]:
    yield f"FROM {dockerfile.image.base} AS {stage}"
    yield f"ENV PEX_TOOLS=1 SOURCE_DATE_EPOCH={EPOCH}"
    yield f"COPY --from=binary /{file} /{file}"
    yield f"RUN {_exec_form((dockerfile.python, f'/{file}', 'venv', scope, '--compile', APP))}"


def _copies(dockerfile: Dockerfile) -> Iterator[str]:
    if dockerfile.unpacked:
        yield f"COPY --from=dependencies --chown=0:0 {APP} {APP}"
        yield f"COPY --from=own --chown=0:0 {APP} {APP}"
    else:
        yield f"COPY --from=binary --chown=0:0 {_STAGED} /"


def _configuration(dockerfile: Dockerfile) -> Iterator[str]:
    image = dockerfile.image
    # The file needs a writable directory to unpack itself; with a read-only root, /tmp is a tmpfs.
    variables = {**({} if dockerfile.unpacked else {"PEX_ROOT": PEX_ROOT}), **image.env}
    yield from _assignments("ENV", variables)
    yield f"USER {user(image)}"
    if image.expose:
        yield f"EXPOSE {' '.join(map(str, image.expose))}"
    if image.healthcheck is not None:
        yield from _healthcheck(image.healthcheck, image, python=dockerfile.python)
    yield from _assignments("LABEL", {**dockerfile.labels, **image.labels})


def user(image: Image) -> str:
    """Return the numbers of the container's user and group: `65532:65532`."""
    return str(image.user) if ":" in str(image.user) else f"{image.user}:{image.user}"


def _assignments(instruction: str, values: Mapping[str, str]) -> Iterator[str]:
    pairs = [f"{name}={_quoted(value)}" for name, value in values.items()]
    for position, pair in enumerate(pairs):
        start = f"{instruction} " if position == 0 else " " * (len(instruction) + 1)
        yield f"{start}{pair}{_CONTINUED if position + 1 < len(pairs) else ''}"


def _healthcheck(check: Healthcheck, image: Image, *, python: str) -> Iterator[str]:
    times = {"interval": check.interval, "timeout": check.timeout, "start-period": check.start_period}
    options = " ".join(f"--{name}={value:g}s" for name, value in times.items())
    yield f"HEALTHCHECK {options} --retries={check.retries} \\"
    yield f"    CMD {_exec_form(healthcheck_command(check, image, python=python))}"


def healthcheck_command(check: Healthcheck, image: Image, *, python: str) -> tuple[str, ...]:
    """Return the command of the health check.

    Without one in the settings, it sends a GET with the image's Python, because there may be no curl. It uses no proxy.
    """
    if check.command:
        return check.command
    port = check.port or port_number("expose", image.expose[0])
    address = f"http://127.0.0.1:{port}{check.path}"
    request = f"r.build_opener(r.ProxyHandler({{}})).open({address!r}, timeout={check.timeout:g})"
    return (python, "-I", "-c", f"import urllib.request as r; {request}")


def _exec_form(arguments: tuple[str, ...]) -> str:
    return json.dumps(arguments, ensure_ascii=False)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
