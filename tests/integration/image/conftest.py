"""A real engine with a separate storage, in which only the base images stay from run to run."""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import platformdirs
import pytest
from msgspec import Struct

from nox_pex.system import locks
from tests.support.nox_project import Project
from tests.support.signing_keys import ED25519, private_pem, public_pem

PROJECTS: Final = Path(__file__).with_name("projects")
BASE: Final = "localhost/nox-pex-test-base:1"
_RELEASES: Final = {"3.11": "bookworm", "3.13": "trixie"}
"""Debian's releases, by their Python."""
_MIRROR: Final = "http://deb.debian.org/debian"
_STORAGE: Final = '[storage]\ndriver = "overlay"\ngraphroot = "{root}/g"\nrunroot = "{root}/r"\n'
_CONTAINERS: Final = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n[engine]\n{runtime}'
"""Limits that any machine allows. Some machines do not allow podman's defaults, which are higher."""


class Podman(Struct, frozen=True, kw_only=True):
    """podman with a separate storage, which the variables in `environ` configure."""

    environ: dict[str, str]

    def podman(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        """Run podman, which must succeed, and return its output."""
        result = subprocess.run(["podman", *arguments], env=self.environ, input=stdin, capture_output=True, check=False)
        assert result.returncode == 0, result.stderr.decode()
        return result.stdout

    def holding(self, text: str) -> list[str]:
        """The files in the engine's storage that contain `text`: all layers of all stages, and all histories."""
        graph = self.podman("info", "--format", "{{.Store.GraphRoot}}").decode().strip()
        argv = ["grep", "--recursive", "--files-with-matches", "--fixed-strings", "--devices=skip", "--", text, graph]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines()

    def image(self, name: str, text: str) -> str:
        """Build an image from the text of a Dockerfile that copies no files."""
        self.podman("build", "--quiet", "--tag", name, "--file", "-", stdin=text.encode())
        return name


@pytest.fixture(scope="session")
def base_archive() -> Path:
    """The root file system of the base image as a tar archive."""
    if shutil.which("podman") is None:
        pytest.skip("there is no container engine: podman is not installed")
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    if minor not in _RELEASES:
        pytest.skip(f"no base image: no release of Debian has Python {minor}")
    root = platformdirs.user_cache_path("nox-pex-tests", appauthor=False) / f"{_RELEASES[minor]}-{platform.machine()}"
    root.mkdir(parents=True, exist_ok=True)
    with locks.locked(root / "base.lock", waiting=lambda: None):
        return _base(root, _RELEASES[minor])


@pytest.fixture(scope="session")
def containers(base_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    with contextlib.ExitStack() as stack:
        for slot in itertools.count():  # one for each process that runs such tests at the same time
            # conmon 2.1 hangs if a container's path is long
            storage = Path(f"/var/tmp/npt{slot}")  # noqa: S108  # used only if this user owns it
            storage.mkdir(mode=0o700, exist_ok=True)
            if storage.stat().st_uid == os.geteuid() and stack.enter_context(locks.try_lock(storage)):
                break
        engine = _ready(storage, base_archive, settings=tmp_path_factory.mktemp("containers"))
        yield engine
        every = engine.podman("images", "--all", "--quiet", "--no-trunc").decode().split()
        bases = engine.podman("images", "--quiet", "--no-trunc", BASE).decode().split()
        if others := sorted({*every} - {*bases}):
            engine.podman("rmi", "--force", *others)


def _ready(root: Path, archive: Path, *, settings: Path) -> Podman:
    storage, config = settings / "storage.conf", settings / "containers.conf"
    storage.write_text(_STORAGE.format(root=root), "utf-8")
    config.write_text(_CONTAINERS.format(runtime=_runtime()), "utf-8")
    variables = {"CONTAINERS_STORAGE_CONF": str(storage), "CONTAINERS_CONF": str(config)}
    engine = Podman(environ={**os.environ, **variables})
    known = subprocess.run(["podman", "image", "exists", BASE], env=engine.environ, check=False)
    if known.returncode != 0:
        engine.podman("import", "--quiet", str(archive), BASE)
    return engine


def _runtime() -> str:
    return "" if shutil.which("crun") else 'runtime = "runc"\n'


def _base(root: Path, release: str) -> Path:
    """Create a small Debian with Python once for all runs, and return it as a tar archive."""
    archive = root / "base.tar"
    if archive.exists():
        return archive
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        pytest.skip("there is no base image: it needs debootstrap, and root")
    tree = root / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    packages = "python3,python3-venv,ca-certificates"
    argv = ["debootstrap", "--variant=minbase", f"--include={packages}", release, str(tree), _MIRROR]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-2000:]
    for unneeded in ("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/locale"):
        shutil.rmtree(tree / unneeded, ignore_errors=True)
    subprocess.run(["tar", "--directory", str(tree), "--create", "--file", f"{archive}.new", "."], check=True)
    Path(f"{archive}.new").replace(archive)
    shutil.rmtree(tree)
    return archive


@pytest.fixture(autouse=True)
def _cleared(request: pytest.FixtureRequest) -> Iterator[None]:
    """Assert that the test has left no container."""
    yield
    if "containers" in request.fixturenames:
        containers: Podman = request.getfixturevalue("containers")
        assert containers.podman("ps", "--all", "--quiet") == b""


@pytest.fixture
def environ(environ: dict[str, str], containers: Podman) -> dict[str, str]:
    names = ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF")
    return {**environ, **{name: containers.environ[name] for name in names}}


@pytest.fixture
def key_pair(tmp_path: Path) -> tuple[Path, Path]:
    """The files with a signing key and its public key."""
    key, public = tmp_path / "key.pem", tmp_path / "key.pub"
    key.write_text(private_pem(ED25519), "utf-8")
    public.write_text(public_pem(ED25519), "utf-8")
    return key, public


@pytest.fixture
def parcel(shared: Path, tmp_path: Path, environ: dict[str, str]) -> Callable[..., Project]:
    """Copy the project `parcel`, in which `nox -s pex` has run, and add an image table with these lines."""

    def make(*lines: str) -> Project:
        template = Project(root=shared / "parcel", environ=environ)
        with locks.locked(shared / "parcel.lock", waiting=lambda: None):
            if not (template.root / "done").exists():
                shutil.rmtree(template.root, ignore_errors=True)
                shutil.copytree(PROJECTS / "parcel", template.root)
                template.write_noxfile()
                template.nox("-s", "pex")
                (template.root / "done").touch()
        shutil.copytree(template.root, tmp_path / "parcel", symlinks=True, ignore=shutil.ignore_patterns("done"))
        project = Project(root=tmp_path / "parcel", environ=environ)
        table = ["[tool.nox-pex.binary.parcel.image]", f'base = "{BASE}"', *lines]
        project.append("pyproject.toml", "\n" + "\n".join(table) + "\n")
        return project

    return make
