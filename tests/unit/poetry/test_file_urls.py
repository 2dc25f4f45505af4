from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from packaging.utils import canonicalize_name

from nox_pex.errors import NoxPexError
from nox_pex.poetry.file_urls import FileLocator, FileUrls, KnownUrls
from nox_pex.poetry.lock import Lock, LockedFile, Package, Source
from nox_pex.project.pyproject import Project
from nox_pex.system.command import Outcome, Shell
from nox_pex.system.secrets import Secrets
from nox_pex.tools import pinned
from nox_pex.tools.cache import Caches
from nox_pex.tools.pinned import Poetry
from nox_pex.tools.provision import Provisioner

URL: Final = "https://joe:secret@index.example/simple"


class Asked(list[list[str]]):
    """The names of each question to Poetry, and what Poetry does: it answers, or fails with the output `failure`."""

    failure: str = ""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    """Answers in place of Poetry."""
    asked = Asked()

    def run(_: Shell, argv: Sequence[str], **__: Any) -> Outcome:
        if asked.failure:
            return Outcome(status=1, output=asked.failure, seconds=0.0)
        asked.append(json.loads(Path(argv[-2]).read_text("utf-8")))
        answers = [
            {"name": name, "version": "1", "source": None, "index": URL, "files": {f"{name}.whl": f"{URL}/{name}.whl"}}
            for name in asked[-1]
        ]
        Path(argv[-1]).write_text(json.dumps(answers), "utf-8")
        return Outcome(status=0, output="", seconds=0.0)

    poetry = Poetry(python=tmp_path / "python", version="2.5.1")
    monkeypatch.setattr(pinned, "provide_poetry", lambda *_: poetry)
    monkeypatch.setattr(Shell, "run", run)
    return asked


@pytest.fixture
def locator(tmp_path: Path, service: Project) -> FileLocator:
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"}
    shell = Shell(environ=environ, secrets=Secrets(), say=lambda _: None)
    provisioner = Provisioner(shell=shell, caches=Caches(chosen=tmp_path / "cache"), uv=None)
    return FileLocator(project=service, provisioner=provisioner, poetry_version=None, force=False)


def lock(*names: str, digest: str = "0", source: Source | None = None) -> Lock:
    """A lock with packages of these names; `digest` is a part of their hashes."""
    packages = tuple(
        Package(
            name=canonicalize_name(name),
            version="1.0",
            hashes=(f"sha256:{digest}",),
            files=(LockedFile(name=f"{name}.whl", hash=f"sha256:{digest}"),),
            source=source,
        )
        for name in names
    )
    return Lock(path=Path("poetry.lock"), digest=digest, packages=packages)


def locate(locator: FileLocator, locked: Lock) -> tuple[FileUrls, ...]:
    return locator.locate(locked.packages, locked=locked)


def test_the_index_is_asked_once_for_each_locked_package(locator: FileLocator, asked: Asked) -> None:
    locate(locator, lock("idna", "h11"))
    found = locate(locator, lock("idna", "click"))
    assert asked == [["h11", "idna"], ["click"]]
    assert {each.name for each in found} == {"idna", "click"}
    locate(locator, lock("h11", "click", "idna"))
    assert len(asked) == 2
    locate(locator, lock("idna", digest="another file"))
    locate(msgspec.structs.replace(locator, force=True), lock("idna"))
    assert asked[2:] == [["idna"], ["idna"]]


def test_another_index_is_asked_again(locator: FileLocator, asked: Asked, service: Project) -> None:
    locate(locator, lock("idna"))
    (service.root / "poetry.toml").write_text("[plugins.pypi_mirror]\nurl = 'https://other.example'\n", "utf-8")
    locate(locator, lock("idna"))
    locate(locator, lock("idna", source=Source(type="legacy", url="https://mill.example", reference="mill")))
    assert asked == [["idna"]] * 3


def test_what_poetry_found_while_it_installed_is_not_asked_for(locator: FileLocator, asked: Asked) -> None:
    known = KnownUrls(project=locator.project, provisioner=locator.provisioner)
    locked = lock("idna", "h11")

    def answer(name: str, **urls: str) -> FileUrls:
        files = {f"{file}.whl": url for file, url in urls.items()}
        return FileUrls(name=name, version="1", source=None, index=URL, files=files)

    idna = answer("idna", idna="https://f.example/idna.whl", other="not locked")
    known.add([idna, answer("h11", other="not locked"), answer("not-locked", idna="…")], locked)
    (found,) = known.of(locked.packages).values()
    assert found.files == {"idna.whl": "https://f.example/idna.whl"}
    locate(locator, locked)
    assert asked == [["h11"]]


def test_nothing_from_an_index_asks_nothing(locator: FileLocator, asked: Asked) -> None:
    assert locate(locator, lock()) == ()
    assert asked == []


def test_no_address_has_a_password(locator: FileLocator, asked: Asked, tmp_path: Path) -> None:
    for _ in range(2):
        (found,) = locate(locator, lock("idna"))
        assert found.index == "https://index.example/simple"
        assert found.files == {"idna.whl": "https://index.example/simple/idna.whl"}
    assert "secret" not in "".join(file.read_text("utf-8") for file in (tmp_path / "cache" / "urls").iterdir())
    assert asked == [["idna"]]


def test_a_damaged_answer_is_asked_for_again(locator: FileLocator, asked: Asked, tmp_path: Path) -> None:
    locate(locator, lock("idna"))
    (remembered,) = (tmp_path / "cache" / "urls").iterdir()
    for text in ("", "[]", '{"name": 3}', '{"answers": []}'):
        remembered.write_text(text, "utf-8")
        locate(locator, lock("idna"))
    assert len(asked) == 5


def test_a_cache_that_cannot_be_written_stops_nothing(locator: FileLocator, asked: Asked, tmp_path: Path) -> None:
    locate(locator, lock("idna"))
    (remembered,) = (tmp_path / "cache" / "urls").iterdir()
    remembered.unlink()
    remembered.mkdir()  # a directory in the place of the file cannot be replaced by one
    assert len(locate(locator, lock("idna"))) == 1
    assert asked == [["idna"], ["idna"]]


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("Max retries exceeded with url: https://index.example", "index-unreachable"),
        ("401 Client Error: Unauthorized", "index-auth"),
        ("something else", "install-failed"),
    ],
)
def test_a_failure_has_the_code_of_its_reason(locator: FileLocator, asked: Asked, output: str, code: str) -> None:
    asked.failure = output
    with pytest.raises(NoxPexError, match="Poetry could not ask the package index") as caught:
        locate(locator, lock("idna"))
    assert caught.value.code == code
