from __future__ import annotations

import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from nox_pex.distributions.pex_file import PexError
from nox_pex.errors import NoxPexError
from nox_pex.image.content import environment_files
from nox_pex.image.content.request import ContentRequest
from nox_pex.image.content.write import write_content
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from nox_pex.tools.cache import Caches
from tests.support.images import PYTHON
from tests.support.small_pex import SmallPex

SHELL = Shell(environ=dict(os.environ), secrets=Secrets(), say=lambda _: None)


@pytest.fixture
def caches(tmp_path: Path) -> Caches:
    return Caches(chosen=tmp_path / "cache")


@pytest.fixture
def request_of_file(tmp_path: Path) -> ContentRequest:
    binary = SmallPex(sources={"main.py": b"def main(): ...\n"}).write(tmp_path / "dist.pex")
    return ContentRequest(
        binary=binary, form="file", name="service", file="service.pex", python=PYTHON, starts_directly=True
    )


def test_the_file_form_is_one_layer_with_the_file_and_the_metadata(
    request_of_file: ContentRequest, caches: Caches
) -> None:
    content = write_content(request_of_file, caches=caches, shell=SHELL)
    (layer,) = content.layers
    with tarfile.open(layer.path) as archive:
        modes = {member.name: member.mode for member in archive if not member.isdir()}
        file = archive.extractfile("app/service.pex")
        assert file is not None
        assert file.read() == request_of_file.binary.read_bytes()
    metadata = "usr/share/nox-pex/service/idna-3.11.dist-info/METADATA"
    assert modes == {"app/service.pex": 0o755, metadata: 0o644}
    assert (content.entrypoint, content.env) == (("/app/service.pex",), {"PEX_ROOT": "/tmp/pex"})  # noqa: S108  # there

    assert write_content(request_of_file, caches=caches, shell=SHELL) == content
    by_python = write_content(replace(request_of_file, starts_directly=False), caches=caches, shell=SHELL)
    assert by_python.entrypoint == ("/usr/bin/python3.11", "/app/service.pex")


def test_a_pex_directory_keeps_its_files_modes_and_links(
    request_of_file: ContentRequest, caches: Caches, tmp_path: Path
) -> None:
    directory = tmp_path / "directory.pex"
    with zipfile.ZipFile(request_of_file.binary) as archive:
        archive.extractall(directory)  # noqa: S202  # written by this test
    (directory / "__main__.py").chmod(0o700)
    (directory / "pex").symlink_to("__main__.py")
    content = write_content(replace(request_of_file, binary=directory), caches=caches, shell=SHELL)
    with tarfile.open(content.layers[0].path) as archive:
        assert archive.getmember("app/service.pex/__main__.py").mode == 0o755
        assert archive.getmember("app/service.pex/main.py").mode == 0o644
        assert archive.getmember("app/service.pex/pex").linkname == "__main__.py"


@pytest.mark.parametrize(("umask", "zone"), [(0o077, "Asia/Tokyo"), (0o002, "UTC")])
def test_layers_do_not_depend_on_the_user(
    request_of_file: ContentRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    before = os.umask(umask)
    try:
        request_of_file.binary.chmod(0o600)
        content = write_content(request_of_file, caches=Caches(chosen=tmp_path / "other"), shell=SHELL)
    finally:
        os.umask(before)
    again = write_content(request_of_file, caches=Caches(chosen=tmp_path / "cache"), shell=SHELL)
    assert content.layers[0].diff_id == again.layers[0].diff_id
    assert content.layers[0].descriptor == again.layers[0].descriptor


def test_what_cannot_be_unpacked_is_refused(request_of_file: ContentRequest, caches: Caches, tmp_path: Path) -> None:
    unpacked = replace(request_of_file, form="unpacked")
    with pytest.raises(NoxPexError, match="the base has PyPy, for which only an engine can unpack"):
        write_content(replace(unpacked, python=replace(PYTHON, implementation="PyPy")), caches=caches, shell=SHELL)
    (tmp_path / "directory").mkdir()
    with pytest.raises(PexError, match="needs layout"):
        write_content(replace(unpacked, binary=tmp_path / "directory"), caches=caches, shell=SHELL)
    (tmp_path / "text").write_text("no PEX", "utf-8")
    for form in ("file", "unpacked"):
        with pytest.raises(PexError):
            write_content(replace(unpacked, binary=tmp_path / "text", form=form), caches=caches, shell=SHELL)


class FakeCompiler(Struct, frozen=True):
    """A Python that writes `bytecode` for each source."""

    identity: str
    bytecode: bytes
    version: str = "3.11.99"

    def compile(self, given: Path, output: Path, *, shell: Shell) -> None:
        del shell
        with given.open("rb") as sources, output.open("wb") as file:
            while line := sources.readline():
                facts = json.loads(line)
                sources.read(facts["size"])
                file.write(json.dumps({"path": facts["path"], "size": len(self.bytecode)}).encode() + b"\n")
                file.write(self.bytecode)


def test_bytecode_that_one_base_wrote_is_never_in_the_image_of_another(
    request_of_file: ContentRequest, caches: Caches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A base may claim the version of any Python."""
    monkeypatch.setattr(environment_files, "pex_files", lambda *_, **__: ())  # the small PEX has no tools of pex
    binary = SmallPex(sources={"main.py": b"def main(): ...\n"}, library=False).write(tmp_path / "own.pex")
    python = replace(PYTHON, version="3.11.99")
    unpacked = replace(request_of_file, binary=binary, form="unpacked", python=python)
    for compiler in (FakeCompiler("hostile base", b"hostile"), FakeCompiler("honest base", b"honest")):
        content = write_content(unpacked, caches=caches, shell=SHELL, in_base=compiler)
        found = set()
        for layer in content.layers:
            with tarfile.open(layer.path) as archive:
                found |= {
                    archive.extractfile(member).read()  # type: ignore[union-attr]  # it is a file
                    for member in archive
                    if member.name.endswith(".pyc")
                }
        assert found == {compiler.bytecode}


def test_layers_are_fewer_if_the_base_has_many(request_of_file: ContentRequest) -> None:
    most = [replace(request_of_file, base_layers=number).most_layers for number in (0, 5, 25, 30, 120, 124, 500)]
    assert most == [100, 100, 100, 95, 5, 3, 3]
