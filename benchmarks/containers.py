"""Compare four ways to a container image: its size, its start, and the time of a new build after an edit.

`python -m benchmarks.containers --base IMAGE` prints a table, and writes JSON with `--json`. `nox -s bench` does not
run this: it needs podman, and a base image with Python, pip and venv (`python:3.11`, or a Debian with python3-venv).
The ways take turns in each round. Every container runs as docs/image.md recommends: as another user, on a read-only
root, with a tmpfs.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nox_pex.image import build_context
from nox_pex.tools.pinned import POETRY

_ROOT: Final = Path(__file__).resolve().parents[1]
_PORT: Final = 8000
_LONGEST: Final = 120.0
_PAUSE: Final = 0.005
_OK: Final = 200
_SECRETS: Final = "--mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca.pem"
_NOXFILE: Final = "import sys\nsys.path.insert(0, {tasks!r})\nimport nox_pex\nnox_pex.register()\n"
_TABLE: Final = """
[tool.nox-pex.binary.service.image]
base = "{base}"
form = "{form}"
engine = "podman"
expose = [8000]
args = ["main:app", "--host", "0.0.0.0", "--port", "8000"]
"""
_CMD: Final = 'CMD ["main:app", "--host", "0.0.0.0", "--port", "8000"]\n'
_PIP: Final = (
    "FROM {base}\nRUN python3 -m venv /venv\nCOPY requirements.txt /\n"
    "RUN {secrets} /venv/bin/pip install --no-cache-dir -r /requirements.txt\n"
    "COPY app /app\nWORKDIR /app\nUSER 65532\n"
    'ENTRYPOINT ["/venv/bin/uvicorn"]\n' + _CMD
)
_POETRY: Final = (
    "FROM {base}\nRUN python3 -m venv /poetry\n"
    "RUN {secrets} /poetry/bin/pip install --no-cache-dir poetry=={poetry} poetry-plugin-pypi-mirror\n"
    "ENV POETRY_VIRTUALENVS_IN_PROJECT=1 POETRY_NO_INTERACTION=1\n"
    "WORKDIR /app\nCOPY app/pyproject.toml app/poetry.lock /app/\n"
    "RUN {secrets} --mount=type=secret,id=environment . /run/secrets/environment "
    "&& /poetry/bin/poetry install --only main --no-root --no-cache\n"
    "COPY app /app\nUSER 65532\n"
    'ENTRYPOINT ["/app/.venv/bin/uvicorn"]\n' + _CMD
)
"""One stage, as people often write it: Poetry stays in the image."""

Build = Callable[[], tuple[str, float]]


@dataclass(kw_only=True)
class Way:
    """A way to an image. `build` builds the image and returns its name and the seconds that this took."""

    name: str
    build: Build
    first: float = 0.0
    size: int = 0
    boots: list[float] = field(default_factory=list)
    rebuilds: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Median times in seconds, and the bytes in addition to the base."""
        boot, rebuild = (statistics.median(series) if series else None for series in (self.boots, self.rebuilds))
        return {"first-build": self.first, "bytes-over-base": self.size, "boot": boot, "rebuild": rebuild}


def measure(project: Path, *, base: str, rounds: int, work: Path) -> dict[str, dict[str, Any]]:
    """Measure each way with the application in `project`; `work` is a directory for all files. Returns the figures."""
    ways = [
        Way(name="nox-pex, file", build=_ours(project, base, "file", work / "file")),
        Way(name="nox-pex, unpacked", build=_ours(project, base, "unpacked", work / "unpacked")),
        Way(name="pip install", build=_theirs(project, _PIP, base, work / "pip")),
        Way(name="poetry install", build=_theirs(project, _POETRY, base, work / "poetry")),
    ]
    images = {}
    for way in ways:
        images[way.name], way.first = way.build()
        way.size = _bytes(images[way.name]) - _bytes(base)
    for number in range(rounds):
        for way in ways:
            way.boots.append(_booted(images[way.name]))
        for way, directory in zip(ways, ("file", "unpacked", "pip/app", "poetry/app"), strict=True):
            with (work / directory / "main.py").open("a", encoding="utf-8") as main:
                main.write(f"\n# edit {number}\n")
            images[way.name], seconds = way.build()
            way.rebuilds.append(seconds)
    return {way.name: way.figures() for way in ways}


def _ours(project: Path, base: str, form: str, into: Path) -> Build:
    """Time `nox -s pex` and the engine's part of `nox -s image`, not the container checks, which only nox-pex makes."""
    _copied(project, into)
    (into / "noxfile.py").write_text(_NOXFILE.format(tasks=str(_ROOT / "tasks")), "utf-8")
    with (into / "pyproject.toml").open("a", encoding="utf-8") as settings:
        settings.write(_TABLE.format(base=base, form=form))

    def build() -> tuple[str, float]:
        started = time.monotonic()
        _run([sys.executable, "-m", "nox", "-s", "pex"], cwd=into)
        seconds = time.monotonic() - started
        _run([sys.executable, "-m", "nox", "-s", "image"], cwd=into)
        note = json.loads((into / "dist" / "service.image.json").read_text("utf-8"))
        return note["id"], seconds + note["seconds"]

    return build


def _theirs(project: Path, text: str, base: str, into: Path) -> Build:
    _copied(project, into / "app")
    lock = into / "app" / "poetry.lock"
    secrets = into.with_name(f"{into.name}-secrets")
    secrets.mkdir()
    mounts = build_context.write_secrets(os.environ, prefix=Path(sys.prefix), into=secrets)
    if "environment" not in mounts:
        (secrets / "environment").write_text(_poetry_environment(mounts), "utf-8")
        mounts = {**mounts, "environment": secrets / "environment"}
    options = [part for name, file in sorted(mounts.items()) for part in ("--secret", f"id={name},src={file}")]
    (into / "Dockerfile").write_text(text.format(base=base, secrets=_SECRETS, poetry=POETRY), "utf-8")
    if lock.exists():
        _write_requirements(project, into / "requirements.txt")
    name = f"localhost/nox-pex-bench-{into.name}"

    def build() -> tuple[str, float]:
        started = time.monotonic()
        _run(["podman", "build", "--tag", name, *options, "--file", str(into / "Dockerfile"), str(into)], cwd=into)
        return name, time.monotonic() - started

    return build


def _poetry_environment(mounts: Mapping[str, Path]) -> str:
    """The shell variables that let Poetry use the index of pip's configuration."""
    lines = [f"export POETRY_PYPI_MIRROR_URL={os.environ.get('POETRY_PYPI_MIRROR_URL') or _default_index()}"]
    if "ca.pem" in mounts:
        lines.append("export REQUESTS_CA_BUNDLE=/run/secrets/ca.pem")
    return "\n".join(lines) + "\n"


def _default_index() -> str:
    code = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    return _run([sys.executable, "-c", code], cwd=_ROOT).strip()


def _write_requirements(project: Path, target: Path) -> None:
    """Write the requirements that nox-pex freezes, so that pip installs exactly what Poetry would."""
    with tempfile.TemporaryDirectory() as scratch:
        into = Path(scratch, "project")
        _copied(project, into)
        (into / "noxfile.py").write_text(_NOXFILE.format(tasks=str(_ROOT / "tasks")), "utf-8")
        _run([sys.executable, "-m", "nox", "-s", "freeze"], cwd=into)
        shutil.copy(into / "dist" / "service.requirements.txt", target)


def _booted(image: str) -> float:
    """Run the image; return the seconds from the start of the engine to the first answer."""
    name = f"nox-pex-bench-{time.monotonic_ns()}"
    options = ["--rm", "--name", name, "--read-only", "--tmpfs", "/tmp:rw,exec,mode=1777"]  # noqa: S108  # in the container
    options += ["--env", "PEX_ROOT=/tmp/pex", "--publish", f"127.0.0.1::{_PORT}"]
    started = time.monotonic()
    argv = ["podman", "run", *options, image]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            port = 0
            while time.monotonic() - started < _LONGEST:
                port = port or _published(name)
                if port and _answers(port):
                    return time.monotonic() - started
                time.sleep(_PAUSE)
        finally:
            argv = ["podman", "rm", "--force", "--time", "0", name]
            subprocess.run(argv, capture_output=True, check=False)
            process.wait()
    msg = f"the container of {image} did not answer within {_LONGEST:g} s"
    raise RuntimeError(msg)


def _published(name: str) -> int:
    """The port of this machine at which the container is published; 0 if it is not published yet."""
    argv = ["podman", "port", name, str(_PORT)]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    return int(result.stdout.strip().rpartition(":")[2]) if result.returncode == 0 and result.stdout.strip() else 0


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == _OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _bytes(image: str) -> int:
    return int(_run(["podman", "image", "inspect", "--format", "{{.Size}}", image], cwd=_ROOT))


def _copied(project: Path, into: Path) -> None:
    shutil.copytree(project, into, ignore=shutil.ignore_patterns("__pycache__", "dist", ".nox", "*.json"))


def _run(argv: Sequence[str], *, cwd: Path) -> str:
    result = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        msg = f"{argv} failed:\n{result.stdout[-4000:]}\n{result.stderr[-4000:]}"
        raise RuntimeError(msg)
    return result.stdout


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", required=True)
    parser.add_argument("--project", default="hello", help="a directory of benchmarks/projects")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nox-pex-bench-") as work:
        project = _ROOT / "benchmarks" / "projects" / options.project
        found = measure(project, base=options.base, rounds=options.rounds, work=Path(work))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    print(f"{'way':<20} {'first build':>12} {'over base':>10} {'boot':>8} {'rebuild':>8}")  # noqa: T201  # this is a program
    for name, figures in found.items():
        size = f"{figures['bytes-over-base'] / 1e6:.1f} MB"
        row = f"{figures['first-build']:>10.1f} s {size:>10} {figures['boot']:>6.2f} s {figures['rebuild']:>6.2f} s"
        print(f"{name:<20} {row}")  # noqa: T201  # this is a program


if __name__ == "__main__":
    main()
