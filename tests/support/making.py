"""What the tests of this directory make by themselves: wheels, sdists, Git repositories, servers, locks."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from nox_pex.system import command, secrets
from nox_pex.tools import cache, index, pinned, provision
from tests.support.harness import Project, run

EPOCH: Final = (1980, 1, 1, 0, 0, 0)


@lru_cache(maxsize=1)
def pythons() -> Mapping[str, Path]:
    """The interpreters of this machine by minor version: those that pyenv has, and those on PATH that start."""
    found: dict[str, Path] = {}
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for python in sorted(root.glob("versions/*/bin/python")):
        if match := re.match(r"(3\.\d+)\.\d+$", python.parents[1].name):
            found[match[1]] = python
    for minor in range(9, 15):
        path = shutil.which(f"python3.{minor}")
        if path and f"3.{minor}" not in found and subprocess.run([path, "-c", ""], check=False).returncode == 0:
            found[f"3.{minor}"] = Path(path)
    return found


@dataclass(frozen=True, kw_only=True)
class Locker:
    """Runs `poetry lock`, or other `words`, with the Poetry that nox-pex pins or another version."""

    environ: dict[str, str]
    poetry_version: str | None = None

    def __call__(self, project: Project, *words: str, env: Mapping[str, str] | None = None) -> None:
        environ = {**self.environ, **project.environ, **(env or {})}
        shell = command.Shell(environ=environ, secrets=secrets.Secrets(), say=lambda _: None)
        provisioner = provision.Provisioner(shell=shell, caches=cache.Caches.of(environ), uv=provision.find_uv(environ))
        poetry = pinned.provide_poetry(provisioner, self.poetry_version)
        mirror = index.poetry_environ(
            environ, prefix=Path(sys.prefix), project=project.root, default=poetry.default_index
        )
        # Poetry makes an environment for the project's Python in order to lock: not among the user's.
        own = {"POETRY_VIRTUALENVS_PATH": str(project.root.parent / "locking"), "PATH": environ["PATH"]}
        result = run(
            [str(poetry.python), "-I", "-m", "poetry", *(words or ("lock",)), "--no-interaction", "--no-ansi"],
            cwd=project.root,
            env={**environ, **mirror, **own},
        )
        assert result.status == 0, result.output


def wheel(
    into: Path,
    name: str,
    files: Mapping[str, str],
    *,
    version: str = "1.0",
    scripts: Mapping[str, str] | None = None,
    requires: tuple[str, ...] = (),
) -> Path:
    """A pure wheel with `files`; `scripts` are console scripts. The same arguments give the same bytes."""
    dist_info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    contents = {
        **files,
        f"{dist_info}/METADATA": metadata,
        f"{dist_info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if scripts:
        lines = [f"{script} = {reference}" for script, reference in scripts.items()]
        contents[f"{dist_info}/entry_points.txt"] = "\n".join(["[console_scripts]", *lines, ""])
    rows = [f"{path},{_digest(text)},{len(text.encode())}" for path, text in contents.items()]
    contents[f"{dist_info}/RECORD"] = "\n".join([*rows, f"{dist_info}/RECORD,,", ""])
    into.mkdir(parents=True, exist_ok=True)
    made = into / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in contents.items():
            archive.writestr(zipfile.ZipInfo(path, EPOCH), text)
    return made


def _digest(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
    return "sha256=" + digest.rstrip(b"=").decode()


def sdist(into: Path, name: str, files: Mapping[str, str], *, version: str = "1.0") -> Path:
    """An sdist with `files` and a PKG-INFO."""
    top = f"{name}-{version}"
    contents = {"PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", **files}
    into.mkdir(parents=True, exist_ok=True)
    made = into / f"{top}.tar.gz"
    with tarfile.open(made, "w:gz") as archive:
        for path, text in contents.items():
            entry = tarfile.TarInfo(f"{top}/{path}")
            entry.size, entry.mode = len(text.encode()), 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    return made


C_EXTENSION: Final = {
    "setup.py": 'from setuptools import Extension, setup\nsetup(ext_modules=[Extension("answer", ["answer.c"])])\n',
    "pyproject.toml": (
        '[build-system]\nrequires = ["setuptools>=77,<82"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "answer"\nversion = "1.0"\n'
    ),
    "answer.c": """\
#include <Python.h>

static PyObject *ask(PyObject *self, PyObject *args) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"ask", ask, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "answer", "", -1, methods};
PyMODINIT_FUNC PyInit_answer(void) { return PyModule_Create(&module); }
""",
}
"""An sdist whose wheel has to be compiled: `answer.ask()` is 42."""


def found_in(content: bytes, name: str, word: str) -> Iterator[str]:
    """Where `word` stands in a file, or in a member of an archive however deep, uncompressed."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from found_in(member.encode(), f"{name}!{member} (its name)", word)
                yield from found_in(archive.read(member), f"{name}!{member}", word)
        # what stands before the archive, as its shell script
        content = content[: content.index(b"PK\x03\x04")]
    if word.encode() in content:
        yield name


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A Git repository in `root`."""

    root: Path
    environ: Mapping[str, str]

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always", *words],
            cwd=self.root,
            env={**self.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, files: Mapping[str, str] | None = None) -> str:
        """Commit everything, with `files` written first; returns the commit."""
        for path, text in (files or {}).items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text, "utf-8")
        if not (self.root / ".git").exists():
            self.git("init", "--quiet")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "All")
        return self.git("rev-parse", "HEAD")


@dataclass(frozen=True, kw_only=True)
class Site:
    """A web server on loopback that gives the files in `root`; `asked` are the requests: method, path, credentials."""

    root: Path
    url: str
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)

    def with_login(self, login: str) -> str:
        return self.url.replace("://", f"://{login}@")

    def paths(self) -> set[str]:
        return {path for _, path, _ in self.asked}


@contextlib.contextmanager
def site(root: Path, *, login: str | None = None) -> Iterator[Site]:
    """Serve `root` on a free port; with a `login` (`user:password`) only to those who have it."""
    expected = "Basic " + base64.b64encode(login.encode()).decode() if login else None
    asked: list[tuple[str, str, str | None]] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self._may():
                super().do_GET()

        def do_HEAD(self) -> None:
            if self._may():
                super().do_HEAD()

        def _may(self) -> bool:
            given = self.headers.get("Authorization")
            shown = base64.b64decode(given.removeprefix("Basic ")).decode() if given else None
            asked.append((self.command, self.path, shown))
            if expected is None or given == expected:
                return True
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False

        def log_message(self, *_: object) -> None:
            """Say nothing: pytest shows what a test prints."""

    def handler(*args: object) -> Handler:
        return Handler(*args, directory=str(root))  # type: ignore[arg-type]

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Site(root=root, url=f"http://127.0.0.1:{server.server_address[1]}", asked=asked)
        finally:
            server.shutdown()
            thread.join()


def simple_index(root: Path, *distributions: Path) -> Path:
    """Lay out a simple API (PEP 503, HTML with hashes) of `distributions` in `root`."""
    for distribution in distributions:
        name = re.sub(r"[-_.]+", "-", distribution.name.split("-")[0]).lower()
        page = root / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(distribution, page.parent / distribution.name)
        digest = hashlib.sha256(distribution.read_bytes()).hexdigest()
        with page.open("a", encoding="utf-8") as file:
            file.write(f'<a href="{distribution.name}#sha256={digest}">{distribution.name}</a><br>\n')
    return root
