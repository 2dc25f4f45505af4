from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from packaging.utils import canonicalize_name

from nox_pex.errors import NoxPexError
from nox_pex.poetry.file_urls import FileLocator
from nox_pex.poetry.lock import Package
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
            {"name": name, "source": None, "index": URL, "files": {f"{name}.whl": f"{URL}/{name}.whl"}}
            for name in asked[-1]
        ]
        Path(argv[-1]).write_text(json.dumps(answers), "utf-8")
        return Outcome(status=0, output="", seconds=0.0)

    poetry = Poetry(python=tmp_path / "python", version="2.5.1", default_index="https://index.example/simple")
    monkeypatch.setattr(pinned, "provide_poetry", lambda *_: poetry)
    monkeypatch.setattr(Shell, "run", run)
    return asked


@pytest.fixture
def locator(tmp_path: Path, service: Project) -> FileLocator:
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"}
    shell = Shell(environ=environ, secrets=Secrets(), say=lambda _: None)
    provisioner = Provisioner(shell=shell, caches=Caches(chosen=tmp_path / "cache"), uv=None)
    return FileLocator(project=service, provisioner=provisioner, poetry_version=None, force=False)


def packages(*names: str) -> list[Package]:
    return [Package(name=canonicalize_name(name), version="1.0", hashes=(), source=None) for name in names]


def test_the_index_is_asked_once_for_each_package_of_a_lock(locator: FileLocator, asked: Asked) -> None:
    locator.locate(packages("idna", "h11"), lock_digest="one")
    found = locator.locate(packages("idna", "click"), lock_digest="one")
    assert asked == [["h11", "idna"], ["click"]]
    assert {each.name for each in found} == {"idna", "h11", "click"}
    locator.locate(packages("idna"), lock_digest="two")
    msgspec.structs.replace(locator, force=True).locate(packages("idna"), lock_digest="one")
    assert asked[2:] == [["idna"], ["idna"]]


def test_nothing_from_an_index_asks_nothing(locator: FileLocator, asked: Asked) -> None:
    assert locator.locate([], lock_digest="one") == ()
    assert asked == []


def test_no_address_has_a_password(locator: FileLocator, asked: Asked, tmp_path: Path) -> None:
    (found,) = locator.locate(packages("idna"), lock_digest="one")
    assert found.index == "https://index.example/simple"
    assert found.files == {"idna.whl": "https://index.example/simple/idna.whl"}
    assert "secret" not in "".join(file.read_text("utf-8") for file in (tmp_path / "cache" / "urls").iterdir())
    assert asked == [["idna"]]


def test_a_damaged_answer_is_asked_for_again(locator: FileLocator, asked: Asked, tmp_path: Path) -> None:
    locator.locate(packages("idna"), lock_digest="one")
    (remembered,) = (tmp_path / "cache" / "urls").iterdir()
    for text in ("", "[]", '[{"name": 3}]', '{"answers": []}'):
        remembered.write_text(text, "utf-8")
        locator.locate(packages("idna"), lock_digest="one")
    assert len(asked) == 5


def test_a_cache_that_cannot_be_written_stops_nothing(locator: FileLocator, asked: Asked, tmp_path: Path) -> None:
    name = locator._key("one")  # noqa: SLF001  # a directory in the place of the file cannot be replaced by one
    (tmp_path / "cache" / "urls" / f"{name}.json").mkdir(parents=True)
    assert len(locator.locate(packages("idna"), lock_digest="one")) == 1
    assert asked == [["idna"]]


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
        locator.locate(packages("idna"), lock_digest="one")
    assert caught.value.code == code
