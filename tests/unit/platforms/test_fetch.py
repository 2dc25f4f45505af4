from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from nox_pex.distributions.interpreter import BasePython
from nox_pex.errors import NoxPexError
from nox_pex.platforms.fetch import WheelFetcher
from nox_pex.platforms.platform import Platform
from nox_pex.platforms.wheelhouse import Wheelhouse, load_finished
from nox_pex.poetry.install import Installer
from nox_pex.poetry.selection import Selection
from nox_pex.project import build_wheel, pyproject
from nox_pex.system.secrets import Secrets
from nox_pex.tools import pinned
from nox_pex.tools.cache import Caches
from nox_pex.tools.pinned import Poetry
from tests.support.environments import FakeProvisioner, FakeShell
from tests.support.platforms import target
from tests.support.shown import say_into

MAIN = Selection(("main",), ())
THERE, ARM = target("there"), target("arm", platform_machine="aarch64")


def hash_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class FakePoetry:
    """A project, and a function that answers as `poetry_script.py` does: with `packages`, by name of the target."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "state" / "home"
        self.said: list[str] = []
        self.packages: list[dict[str, Any]] = []
        self.fetched: list[list[str]] = []
        self.error = ""
        (root / "python3.11").write_bytes(b"")
        (root / "poetry.lock").write_text('[metadata]\nlock-version = "2.1"\n', "utf-8")
        (root / "pyproject.toml").write_text('[project]\nname = "app"\ndependencies = ["idna"]\n', "utf-8")

    def add(self, name: str, *files: str, source: str | None = None, url: str | None = None) -> None:
        """Lock a package whose files have their names as their content."""
        hashes = [[file, hash_of(file.encode())] for file in files]
        entry = {"name": name, "version": "1", "source": source, "url": url, "subdirectory": None, "files": hashes}
        self.packages.append(entry)

    def __call__(self, argv: Sequence[str], _: Mapping[str, str]) -> tuple[int, str]:
        request = json.loads(Path(next(part for part in argv if part.endswith("request.json"))).read_text("utf-8"))
        self.fetched.append([entry["file"] or entry["name"] for entry in request["fetch"]])
        if self.error:
            return 1, self.error
        for entry in request["fetch"]:
            if entry["file"] is None:
                Path(request["into"], entry["name"]).mkdir()
            else:
                Path(request["into"], entry["file"]).write_text(entry["file"], "utf-8")
        Path(request["answer"]).write_text(json.dumps([self.packages for _ in request["targets"]]), "utf-8")
        return 0, ""

    def fetch(self, *platforms: Platform, force: bool = False) -> Wheelhouse:
        self.said.clear()
        self.fetched.clear()
        environ = {"HOME": str(self.root), "PIP_CONFIG_FILE": "/dev/null"}
        shell = FakeShell(environ=environ, secrets=Secrets(), say=say_into(self.said.append), tool=self)
        python = self.root / "python3.11"
        installer = Installer(
            project=pyproject.read(self.root),
            base=BasePython(name="3.11", find=lambda: python),
            provisioner=FakeProvisioner(shell=shell, caches=Caches(chosen=self.root / "cache"), uv=None),
            poetry_version=None,
            force=force,
        )
        WheelFetcher(installer=installer).fetch(MAIN, platforms, self.home)
        found = load_finished(MAIN, platforms, self.home)
        assert found is not None
        return found


@pytest.fixture
def poetry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePoetry:
    tool = Poetry(python=Path("/tools/python"), version="2.5.1")
    monkeypatch.setattr(pinned, "provide_poetry", lambda *_: tool)
    return FakePoetry(tmp_path)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The sources of which a wheel is built; those of `compiled` give one that is not pure."""
    sources: list[Path] = []

    def build(project: pyproject.Project, *, into: Path, **_: object) -> Path:
        sources.append(project.root)
        tag = "cp311-cp311-linux_x86_64" if project.root.name == "compiled" else "py3-none-any"
        made = into / f"{project.root.name}-1-{tag}.whl"
        made.write_text("built", "utf-8")
        return made

    monkeypatch.setattr(build_wheel, "build_wheel", build)
    return sources


def test_the_wheels_of_all_targets_are_fetched_once(poetry: FakePoetry) -> None:
    poetry.add("idna", "idna-1-py3-none-any.whl")
    poetry.add("fast", "fast-1-cp312-cp312-manylinux_2_28_x86_64.whl", "fast-1-py3-none-any.whl", "fast-1.tar.gz")
    found = poetry.fetch(THERE)
    assert [(each.file, each.targets, each.direct, each.built) for each in found.wheels] == [
        ("fast-1-cp312-cp312-manylinux_2_28_x86_64.whl", ("there",), False, False),
        ("idna-1-py3-none-any.whl", ("there",), False, False),
    ]
    assert [found.path(each).read_text("utf-8") for each in found.wheels] == [each.file for each in found.wheels]
    nothing, everything = poetry.fetched
    assert (nothing, sorted(everything)) == ([], [each.file for each in found.wheels])
    poetry.fetch(THERE)
    assert poetry.fetched == []
    assert poetry.said == ["install: unchanged, 2 wheels for there (group main)"]


def test_a_wheel_in_the_cache_is_not_fetched_again(poetry: FakePoetry) -> None:
    poetry.add("idna", "idna-1-py3-none-any.whl")
    poetry.fetch(THERE)
    found = poetry.fetch(THERE, ARM)
    assert [each.targets for each in found.wheels] == [("there", "arm")]
    assert poetry.fetched == [[]]
    poetry.fetch(THERE, ARM, force=True)
    assert poetry.said[0] == "install: forced"


def test_a_changed_wheel_is_fetched_again(poetry: FakePoetry) -> None:
    poetry.add("idna", "idna-1-py3-none-any.whl")
    found = poetry.fetch(THERE)
    (cached,) = (poetry.root / "cache" / "wheels").rglob("*.whl")
    cached.write_text("spoiled", "utf-8")
    again = poetry.fetch(THERE, force=True)
    assert poetry.fetched == [[], ["idna-1-py3-none-any.whl"]]
    assert again.wheels == found.wheels


def test_every_missing_wheel_is_named_before_anything_is_fetched(poetry: FakePoetry, built: list[Path]) -> None:
    poetry.add("idna", "idna-1-py3-none-any.whl")
    poetry.add("lacks", "lacks-1.tar.gz")
    poetry.add("compiled", source="directory", url="compiled")
    with pytest.raises(NoxPexError, match=r"lacks 1 \(only an sdist\), compiled 1 \(its build compiles code") as caught:
        poetry.fetch(THERE)
    assert caught.value.code == "no-wheel"
    assert poetry.fetched == [[]]
    assert built == [poetry.root / "compiled"]


def test_a_package_without_a_hash_is_refused(poetry: FakePoetry) -> None:
    poetry.add("idna")
    with pytest.raises(NoxPexError, match="has no hash for idna 1") as caught:
        poetry.fetch(THERE)
    assert caught.value.code == "hash-missing"


def test_the_wheels_of_sources_are_built(poetry: FakePoetry, built: list[Path]) -> None:
    poetry.add("shelf", source="directory", url="libs/shelf")
    poetry.add("cloned", source="git", url="https://example.org/cloned.git")
    found = poetry.fetch(THERE)
    assert [(each.name, each.direct, each.built) for each in found.wheels] == [
        ("cloned", True, True),
        ("shelf", True, True),
    ]
    assert poetry.fetched == [[], ["cloned"]]
    assert [source.name for source in built] == ["shelf", "cloned"]


def test_a_clone_that_compiles_is_refused_after_it_is_fetched(poetry: FakePoetry, built: list[Path]) -> None:
    poetry.add("compiled", source="git", url="https://example.org/compiled.git")
    with pytest.raises(NoxPexError) as caught:
        poetry.fetch(THERE)
    assert caught.value.code == "no-wheel"
    assert [source.name for source in built] == ["compiled"]


def test_a_file_that_the_lock_names_by_its_path_is_copied(poetry: FakePoetry) -> None:
    name = "local-1-py3-none-any.whl"
    poetry.add("local", name, source="file", url=f"wheels/{name}")
    (poetry.root / "wheels").mkdir()
    (poetry.root / "wheels" / name).write_text(name, "utf-8")
    (wheel,) = poetry.fetch(THERE).wheels
    assert (wheel.file, wheel.direct) == (name, True)
    assert poetry.fetched == [[]]
    assert (poetry.root / "wheels" / name).exists()


def test_a_file_with_another_hash_than_the_lock_says_is_refused(poetry: FakePoetry) -> None:
    name = "local-1-py3-none-any.whl"
    poetry.add("local", name, source="file", url=name)
    (poetry.root / name).write_text("another", "utf-8")
    with pytest.raises(NoxPexError, match="of local has another hash than the lock says") as caught:
        poetry.fetch(THERE)
    assert caught.value.code == "hash-mismatch"


def test_a_python_that_the_project_does_not_allow_is_that_of_the_target(poetry: FakePoetry) -> None:
    poetry.error = "Current Python version (3.8.18) is not allowed by the project (>=3.9)."
    with pytest.raises(
        NoxPexError, match=r"allows Python >=3\.9, but a target has 3\.8\.18; choose a target"
    ) as caught:
        poetry.fetch(THERE)
    assert caught.value.code == "python-mismatch"


def test_poetrys_other_errors_are_raised_as_they_are(poetry: FakePoetry) -> None:
    poetry.error = "No space left on device"
    with pytest.raises(NoxPexError) as caught:
        poetry.fetch(THERE)
    assert caught.value.code == "disk-full"
