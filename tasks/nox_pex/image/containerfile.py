"""The text of a Dockerfile. Pure.

Fact sources: Docker's reference of Dockerfiles (quoting, exec form), the OCI image specification's annotations, pex's
recipe for container images. No `--chmod` and no here-document: older engines know neither.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from nox_pex.image.split_pex import SplitPex, split_paths
from nox_pex.settings.image import Healthcheck, Image, port_number
from nox_pex.system.environ import EPOCH

PEX_ROOT: Final = "/tmp/pex"  # noqa: S108  # in the container


APP: Final = "/app"


_SECRETS: Final = (
    "--mount=type=secret,id=pip.conf,target=/etc/pip.conf",
    "--mount=type=secret,id=ca.pem",
    "--mount=type=secret,id=environment",
)


_BUILDERS_HOME: Final = "/root"
"""Where the first stage, which is root, keeps its caches."""


_CACHES: Final = (f"--mount=type=cache,target={_BUILDERS_HOME}/.cache", "--mount=type=cache,target=/src/.nox")


_CONTINUED: Final = " \\"


@dataclass(frozen=True, kw_only=True)
class BuilderStage:
    """That the first stage builds the binary.

    `builder` is the image that does, `python` its interpreter, `requirement` what pip installs there: nox-pex by its
    version, or a wheel by its path in the context. `built` is the binary's path from the project's directory.
    """

    builder: str
    python: str
    requirement: str
    built: str


@dataclass(frozen=True, kw_only=True)
class Dockerfile:
    """What the file says.

    `file` is the binary's name in the context. `python` is the base's interpreter; `direct` is whether the file can be
    started without naming that. `project` is the name of the project's distribution, or None. `source` is None where
    the binary is in the context.
    """

    name: str
    version: str | None
    image: Image
    file: str
    python: str
    direct: bool
    project: str | None
    labels: Mapping[str, str] = field(default_factory=dict)
    source: BuilderStage | None = None

    @property
    def unpacked(self) -> bool:
        """Whether the image gets a virtual environment instead of the file."""
        return self.image.form == "unpacked"

    @property
    def halves(self) -> SplitPex:
        """The names of the binary's halves."""
        return split_paths(Path(self.file))


def text(contents: Dockerfile) -> str:
    """The Dockerfile."""
    return "\n".join(_lines(contents)) + "\n"


def entrypoint(contents: Dockerfile) -> tuple[str, ...]:
    """What the container starts, before its words."""
    if contents.unpacked:
        return (f"{APP}/pex",)
    file = f"{APP}/{contents.file}"
    return (file,) if contents.direct else (contents.python, file)


def _lines(contents: Dockerfile) -> Iterator[str]:
    version = f" {contents.version}" if contents.version else ""
    where = "the project's directory" if contents.source else f"a directory that holds {_held(contents)}"
    yield f"# {contents.name}{version}, written by nox-pex. To own it, copy it and name the copy under `containerfile`."
    yield f"# By hand: docker build --file {contents.file.removesuffix('.pex')}.Dockerfile DIRECTORY, {where}."
    yield ""
    yield from _building(contents, contents.source) if contents.source else _copying(contents)
    if contents.unpacked:
        yield from _unpacking(contents)
    yield ""
    yield "# The image: the base, and what follows."
    yield f"FROM {contents.image.base}"
    yield from _shipping(contents)
    yield from _describing(contents)
    yield f"ENTRYPOINT {_words(entrypoint(contents))}"
    if contents.image.args:
        yield f"CMD {_words(contents.image.args)}"


def _held(contents: Dockerfile) -> str:
    return " and ".join(_copied(contents))


def _copied(contents: Dockerfile) -> tuple[str, ...]:
    """The files that the first stage hands on."""
    if contents.unpacked:
        return contents.halves.dependencies.name, contents.halves.own.name
    return (contents.file,)


def _copying(contents: Dockerfile) -> Iterator[str]:
    yield "# Where the file comes from: built before, outside."
    yield "FROM scratch AS binary"
    for file in _copied(contents):
        yield f"COPY {file} /{file}"


def _building(contents: Dockerfile, source: BuilderStage) -> Iterator[str]:
    wheel = f"/tmp/{source.requirement.rpartition('/')[2]}" if "/" in source.requirement else None  # noqa: S108
    yield "# Where the file comes from: Poetry and pex, with whatever compilers the builder has. Secrets (pip's"
    yield "# configuration, an index's credentials) are mounted, and stay in no layer."
    yield f"FROM {source.builder} AS binary"
    yield f"RUN {_words((source.python, '-m', 'venv', '/nox'))}"
    if wheel is not None:
        yield f"COPY {source.requirement} {wheel}"
    yield f"RUN {' '.join(_SECRETS)} \\"
    yield f"    /nox/bin/pip install --no-cache-dir {wheel or source.requirement}"
    yield "COPY . /src"
    yield "WORKDIR /src"
    yield f"RUN {' '.join((*_SECRETS, *_CACHES))} \\"
    yield "    if [ -f /run/secrets/environment ]; then set -a; . /run/secrets/environment; set +a; fi \\"
    yield "    && printf 'import nox_pex\\nnox_pex.register(\"/src\")\\n' > /nox/noxfile.py \\"
    yield f"    && /nox/bin/nox --noxfile /nox/noxfile.py --session pex -- {contents.name} \\"
    yield f"    && mv {source.built} /{contents.file}{_CONTINUED if contents.unpacked else ''}"
    if contents.unpacked:
        words = f"/{contents.file} {contents.project or ''}".rstrip()
        yield f"    && /nox/bin/python -m nox_pex.image.split_pex {words}"


def _unpacking(contents: Dockerfile) -> Iterator[str]:
    yield ""
    yield "# The dependencies, unpacked and compiled: done again only when the lock changes. (With a fixed date the"
    yield "# bytecode is valid by what is in its source, not by the source's time.)"
    yield from _unpacked(contents, "dependencies", contents.halves.dependencies.name, "--scope=deps")
    yield ""
    yield "# The project's own code, likewise: done again after each edit."
    yield from _unpacked(contents, "own", contents.halves.own.name, "--scope=all")


def _unpacked(contents: Dockerfile, stage: str, file: str, scope: str) -> Iterator[str]:
    yield f"FROM {contents.image.base} AS {stage}"
    yield f"ENV PEX_TOOLS=1 SOURCE_DATE_EPOCH={EPOCH}"
    yield f"COPY --from=binary /{file} /{file}"
    yield f"RUN {_words((contents.python, f'/{file}', 'venv', scope, '--compile', APP))}"


def _shipping(contents: Dockerfile) -> Iterator[str]:
    if contents.unpacked:
        yield f"COPY --from=dependencies --chown=0:0 {APP} {APP}"
        yield f"COPY --from=own --chown=0:0 {APP} {APP}"
    else:
        yield f"COPY --from=binary --chown=0:0 /{contents.file} {APP}/{contents.file}"


def _describing(contents: Dockerfile) -> Iterator[str]:
    image = contents.image
    # A file unpacks itself where it may write, and a read-only root has a tmpfs there.
    variables = {**({} if contents.unpacked else {"PEX_ROOT": PEX_ROOT}), **image.env}
    yield from _assigned("ENV", variables)
    yield f"USER {image.user if ':' in str(image.user) else f'{image.user}:{image.user}'}"
    if image.expose:
        yield f"EXPOSE {' '.join(map(str, image.expose))}"
    if image.healthcheck is not None:
        yield from _health(image.healthcheck, image, python=contents.python)
    yield from _assigned("LABEL", {**contents.labels, **image.labels})


def _assigned(instruction: str, values: Mapping[str, str]) -> Iterator[str]:
    pairs = [f"{name}={_quoted(value)}" for name, value in values.items()]
    for position, pair in enumerate(pairs):
        start = f"{instruction} " if position == 0 else " " * (len(instruction) + 1)
        yield f"{start}{pair}{_CONTINUED if position + 1 < len(pairs) else ''}"


def _health(check: Healthcheck, image: Image, *, python: str) -> Iterator[str]:
    times = {"interval": check.interval, "timeout": check.timeout, "start-period": check.start_period}
    options = " ".join(f"--{name}={value:g}s" for name, value in times.items())
    yield f"HEALTHCHECK {options} --retries={check.retries} \\"
    yield f"    CMD {_words(check.command or _asking(check, image, python=python))}"


def _asking(check: Healthcheck, image: Image, *, python: str) -> tuple[str, ...]:
    """A GET by the image's own Python, past any proxy: there may be no curl."""
    port = check.port or port_number("expose", image.expose[0])
    address = f"http://127.0.0.1:{port}{check.path}"
    ask = f"r.build_opener(r.ProxyHandler({{}})).open({address!r}, timeout={check.timeout:g})"
    return (python, "-c", f"import urllib.request as r; {ask}")


def _words(words: tuple[str, ...]) -> str:
    return json.dumps(words, ensure_ascii=False)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
