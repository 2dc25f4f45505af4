"""A scie: built next to the PEX, recorded, booted without a Python on PATH, verified, and removed.

science, scie-jump and the portable Python are stand-ins that a server on loopback serves (tests/support/science.py).
Everything between them and the user is real: pex, its lift manifest and its configure-binding.py.
"""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from nox_pex.distributions import scie_file
from nox_pex.system import files
from tests.support.digests import digest
from tests.support.file_server import FileServer, serve_files
from tests.support.nox_project import Project
from tests.support.science import PYTHON, RELEASE, Mirror, triple_of, write_mirror
from tests.support.target_platforms import THIS, describe, on_aarch64, set_platforms

HERE = scie_file.this_platform()
SERVER = """\
import http.server
import json
import os
import shutil
import sys

import idna


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"host": idna.encode("bücher.example").decode()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    if sys.argv[1:] == ["paths"]:
        print(f"base: {sys.base_prefix}")
        print(f"python: {shutil.which('python3') or shutil.which('python')}")
        print(f"shell: {shutil.which('sh')}")
        return
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
SMOKE = """
[tool.nox-pex.binary.loose.smoke]
args = ["{port}"]
conditions = ["cold"]

[[tool.nox-pex.binary.loose.smoke.http]]
path = "/"
json = { host = "xn--bcher-kva.example" }

[[tool.nox-pex.binary.loose.smoke.command]]
args = ["paths"]
stdout-matches = "shell: /"
"""


class Bench(Struct, frozen=True, kw_only=True):
    """A project whose binary is a server, and a mirror that is served."""

    project: Project
    mirror: Mirror
    server: FileServer

    @property
    def scie(self) -> Path:
        return self.project.root / "dist" / f"loose-{HERE}"

    def set(self, *lines: str) -> None:
        """Let these lines, and the options for the mirror, follow the entry point in the settings."""
        pex_args = f"pex-args = {self.mirror.options(self.server.url)!r}"
        text = self.project.root / "pyproject.toml"
        head = text.read_text("utf-8").partition("entry-point")[0]
        text.write_text("\n".join([f'{head}entry-point = "server:main"', *lines, pex_args, SMOKE]), "utf-8")


@pytest.fixture
def bench(project: Callable[[str], Project], tmp_path: Path) -> Iterator[Bench]:
    loose = project("loose")
    (loose.root / "server.py").write_text(SERVER, "utf-8")
    mirror = write_mirror(tmp_path, "linux-aarch64")
    with serve_files(mirror.root) as server:
        yield Bench(project=loose, mirror=mirror, server=server)


@pytest.mark.long
def test_a_scie_is_built_booted_verified_and_removed(bench: Bench) -> None:
    loose = bench.project
    bench.set('scie = "eager"')
    loose.nox("-s", "smoke", "verify")
    (recorded,) = loose.record("loose")["scies"]
    assert recorded == {
        "file": bench.scie.name,
        "platform": HERE,
        "sha256": digest(bench.scie),
        "size": bench.scie.stat().st_size,
        "python": next(bench.mirror.root.rglob(f"cpython-*-{triple_of(HERE)}-*")).name,
    }
    assert bench.scie.stat().st_mode & 0o777 == 0o755
    content = scie_file.read(bench.scie)
    assert content.pex is not None
    assert content.pex.sha256 == digest(loose.binary("loose"))
    smoke = files.read_json(loose.root / "dist" / "loose.smoke.json")
    assert [(each["condition"], each["state"]) for each in smoke["conditions"]] == [
        ("cold", "passed"),
        ("scie", "passed"),
    ]
    of_scie = [each["name"] for each in smoke["conditions"][1]["phases"]]
    assert of_scie[:3] == ["launch", "unpack", "venv"]
    assert smoke["scie"] == {"file": bench.scie.name, "sha256": digest(bench.scie)}
    verified = files.read_json(loose.root / "dist" / "loose.verify.json")
    assert "1 scie with this PEX" in next(each["summary"] for each in verified["gates"] if each["gate"] == "integrity")

    boots_from_its_own_home_without_a_python_on_path(loose)
    nothing_is_left_to_do(loose)
    a_changed_or_missing_one_is_made_again(bench)
    an_edit_of_the_sources_reaches_it(bench)
    another_python_changes_only_the_scie(bench)

    (loose.root / "dist" / "loose-linux-s390x").write_text("somebody else's", "utf-8")
    bench.set()
    loose.edit("pyproject.toml", f"pex-args = {bench.mirror.options(bench.server.url)!r}", "")
    before = digest(loose.binary("loose"))
    assert loose.nox("-s", "pex").said(f"pex: removed {bench.scie.name}")
    assert not bench.scie.exists()
    assert digest(loose.binary("loose")) == before
    assert "scies" not in loose.record("loose")
    assert (loose.root / "dist" / "loose-linux-s390x").exists()


def boots_from_its_own_home_without_a_python_on_path(loose: Project) -> None:
    result = loose.nox("-s", "smoke", "--", "--only", "scie", "--keep")
    (kept,) = (Path(found) for found in re.findall(r"kept: (\S+)", result.output))
    try:
        (log,) = (path for path in kept.rglob("*") if path.is_file() and path.read_bytes()[:6] == b"base: ")
        said = dict(line.split(": ", 1) for line in log.read_text("utf-8").splitlines() if ": " in line)
        assert said["python"] == "None"
        assert Path(said["base"]).is_relative_to(kept / "scie" / "home" / ".cache" / "nce")
    finally:
        shutil.rmtree(kept)


def nothing_is_left_to_do(loose: Project) -> None:
    before = loose.dist()
    result = loose.nox("-s", "pex", env={"NOX_PEX_CACHE_DIR": str(loose.root / "no-cache")})
    assert result.said("pex: loose unchanged,"), result.output
    assert loose.dist() == before
    assert not (loose.root / "no-cache").exists()


def a_changed_or_missing_one_is_made_again(bench: Bench) -> None:
    loose, before = bench.project, digest(bench.scie)
    with bench.scie.open("ab") as file:
        file.write(b"\n")
    assert loose.nox("-s", "pex").said(f"{bench.scie.name} was changed after it was built")
    assert digest(bench.scie) == before
    bench.scie.unlink()
    result = loose.nox("-s", "pex")
    assert result.said(f"there is no {bench.scie.name}")
    assert not result.said("building loose")
    assert digest(bench.scie) == before


def an_edit_of_the_sources_reaches_it(bench: Bench) -> None:
    bench.project.edit("server.py", "do_GET(self):", "do_GET(self):  # edited")
    bench.project.nox("-s", "pex")
    content = scie_file.read(bench.scie)
    assert content.pex is not None
    assert content.pex.sha256 == digest(bench.project.binary("loose"))
    assert "compose" in bench.project.record("loose")["seconds"]


def another_python_changes_only_the_scie(bench: Bench) -> None:
    before = digest(bench.project.binary("loose"))
    bench.project.edit(
        "pyproject.toml", "'--scie-science-binary'", f"'--scie-pbs-release={RELEASE}', '--scie-science-binary'"
    )
    result = bench.project.nox("-s", "pex")
    assert result.said("loose unchanged, but not its scie: the options of the scie changed")
    assert digest(bench.project.binary("loose")) == before
    paths = bench.server.paths()
    assert f"/providers/PythonBuildStandalone/download/{RELEASE}/distributions-{PYTHON}-install_only.json" in paths


def test_a_host_that_cannot_be_reached_is_named_and_nothing_is_half_written(bench: Bench, unused_port: int) -> None:
    loose = bench.project
    bench.set()
    loose.edit("pyproject.toml", f"pex-args = {bench.mirror.options(bench.server.url)!r}", "")
    loose.nox("-s", "pex")
    loose.edit("pyproject.toml", 'entry-point = "server:main"', 'entry-point = "server:main"\nscie = "lazy"')
    proxy = {"HTTPS_PROXY": f"http://127.0.0.1:{unused_port}", "PATH": without_science(loose.environ["PATH"])}
    line = loose.refused("index-unreachable", "-s", "pex", env=proxy)
    assert "pex could not download science from github.com, for the scie of loose: " in line
    assert "Connection refused" in line
    assert '--scie-science-binary", "PATH", "--scie-assets-base-url", "URL"' in line
    assert "pip config" not in line

    closed = f"http://127.0.0.1:{unused_port}"
    options = ["--scie-science-binary", str(bench.mirror.science), "--scie-assets-base-url", closed]
    loose.edit("pyproject.toml", 'scie = "lazy"', f'scie = "lazy"\npex-args = {options!r}')
    line = loose.refused("index-unreachable", "-s", "pex")
    assert "science could not download scie-jump or a Python from 127.0.0.1, for the scie of loose: " in line


@pytest.mark.long
def test_a_pex_for_several_platforms_has_a_scie_for_each(bench: Bench) -> None:
    loose = bench.project
    bench.set('scie = "lazy"', "complete-platforms = []")
    set_platforms(loose, {"here": describe(THIS), "arm": on_aarch64(describe(THIS))})
    loose.nox("-s", "pex", "verify")
    recorded = loose.record("loose")["scies"]
    assert [each["file"] for each in recorded] == ["loose-linux-aarch64", f"loose-{HERE}"]
    assert all(each["sha256"] == digest(loose.root / "dist" / each["file"]) for each in recorded)
    contents = [scie_file.read(loose.root / "dist" / each["file"]) for each in recorded]
    assert {content.pex.sha256 for content in contents if content.pex} == {digest(loose.binary("loose"))}
    assert all(content.parts[0].offset is None for content in contents)  # the Python is downloaded later
    (loose.root / "dist" / "loose-linux-aarch64").unlink()
    line = loose.run("-s", "verify", "--", "--binary", "dist/loose.pex")
    assert line.status == 0, line.output
    loose.nox("-s", "clean")
    assert not list((loose.root / "dist").glob("loose*"))


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port on which nothing listens, and on which no other program can listen."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def without_science(path: str) -> str:
    """The PATH without directories that have a real science, which pex would take."""
    return ":".join(entry for entry in path.split(":") if not list(Path(entry).glob("science*")))
