from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.interpreter import BasePython
from nox_pex.errors import NoxPexError
from nox_pex.poetry import install_state, sync
from nox_pex.poetry.install import Installer
from nox_pex.poetry.install_state import PathDependencies
from nox_pex.poetry.selection import Selection
from nox_pex.project import pyproject
from nox_pex.system.secrets import Secrets
from nox_pex.tools import pinned
from nox_pex.tools.cache import Caches
from nox_pex.tools.pinned import Poetry
from tests.support import environments
from tests.support.environments import FakeProvisioner, FakeShell
from tests.support.shown import say_into

MAIN = Selection(("main",), ())
LOCK = """
[[package]]
name = "idna"
version = "3.11"
files = [{ file = "idna-3.11-py3-none-any.whl", hash = "sha256:aa" }]
[metadata]
lock-version = "2.1"
"""
SHELF = """
[[package]]
name = "shelf"
version = "1.0"
files = []
[package.source]
type = "directory"
url = "shelf"
"""


class Checkout:
    """A project, an environment, and a function in the place of Poetry that installs what the lock has."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.said: list[str] = []
        self.runs = 0
        self.fails = False
        self.python = root / "python3.11"
        self.python.write_bytes(b"")
        self.environment = Environment(path=root / "state" / "environment")
        (root / "poetry.lock").write_text(LOCK, "utf-8")
        (root / "pyproject.toml").write_text('[project]\nname = "app"\ndependencies = ["idna"]\n', "utf-8")

    def poetry(self, _: Sequence[str], environ: Mapping[str, str]) -> tuple[int, str]:
        self.runs += 1
        if self.fails:
            return 1, "No space left on device"
        environment = Environment(path=Path(environ["VIRTUAL_ENV"]))
        for package in [name for name in ("idna", "shelf") if f'"{name}"' in (self.root / "poetry.lock").read_text()]:
            if package not in {found.name for found in environment.distributions()}:
                environments.install(environment, package, {f"{package}.py": ""}, direct=package == "shelf")
        return 0, ""

    def installer(self, *, force: bool = False) -> Installer:
        environ = {"HOME": str(self.root), "PIP_CONFIG_FILE": "/dev/null", "POETRY_CONFIG_DIR": str(self.root)}
        shell = FakeShell(environ=environ, secrets=Secrets(), say=say_into(self.said.append), tool=self.poetry)
        provisioner = FakeProvisioner(shell=shell, caches=Caches(chosen=self.root / "cache"), uv=None)
        python = self.python
        return Installer(
            project=pyproject.read(self.root),
            base=BasePython(name="3.11", find=lambda: python),
            provisioner=provisioner,
            poetry_version=None,
            force=force,
        )

    def install(self, *, force: bool = False) -> str:
        """Install, and return the last line for the user."""
        self.said.clear()
        self.installer(force=force).install(MAIN, self.environment)
        return self.said[-1]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    poetry = Poetry(python=Path("/tools/python"), version="2.5.1")
    monkeypatch.setattr(pinned, "provide_poetry", lambda *_: poetry)
    return Checkout(tmp_path)


def test_an_install_is_done_once(checkout: Checkout) -> None:
    assert checkout.install().startswith("install: 1 distribution in ")
    assert [found.name for found in checkout.environment.distributions()] == ["idna"]
    assert checkout.install() == "install: unchanged, 1 distribution (group main)"
    assert checkout.runs == 1


def test_a_changed_input_is_named_and_installed(checkout: Checkout) -> None:
    checkout.install()
    (checkout.root / "poetry.toml").write_text("[installer]\nparallel = false\n", "utf-8")
    checkout.install()
    assert checkout.said[0] == "install: poetry.toml changed"
    assert checkout.runs == 2


def test_force_runs_poetry_although_nothing_changed(checkout: Checkout) -> None:
    checkout.install()
    checkout.install(force=True)
    assert checkout.said[0] == "install: forced"
    assert checkout.runs == 2


def test_another_environment_is_restored_from_the_cache(checkout: Checkout) -> None:
    checkout.install()
    checkout.environment = Environment(path=checkout.root / "state" / "second")
    assert "1 distribution restored from the install cache in" in checkout.install()
    assert checkout.runs == 1


@pytest.mark.parametrize("damage", ["unfinished", "changed", "python"])
def test_an_environment_that_cannot_be_trusted_is_created_again(checkout: Checkout, damage: str) -> None:
    checkout.install()
    (site,) = checkout.environment.site_packages
    if damage == "unfinished":
        install_state.remove(checkout.environment)
        sync.scratch_of(checkout.environment).mkdir()
    elif damage == "changed":
        (site / "idna-1.0.dist-info" / "RECORD").write_text("", "utf-8")
    else:
        checkout.python.write_bytes(b"a patch release")
    (site / "stray.py").touch()
    checkout.install()
    assert not sync.scratch_of(checkout.environment).exists()
    assert (
        checkout.said[0]
        == "install: creating the environment again: "
        + {
            "unfinished": "the last install did not finish, or another version of nox-pex made it",
            "changed": "it was changed after Poetry installed it",
            "python": "it is for another Python",
        }[damage]
    )
    assert not (site / "stray.py").exists()


@pytest.mark.parametrize("name", ["evil.pth", "sitecustomize.py", "module.py"])
def test_a_new_file_at_the_top_of_site_packages_is_noticed(checkout: Checkout, name: str) -> None:
    checkout.install()
    (site,) = checkout.environment.site_packages
    (site / name).touch()
    checkout.install()
    assert checkout.said[0] == "install: creating the environment again: it was changed after Poetry installed it"
    assert not (site / name).exists()


def test_force_finds_a_file_that_was_changed_without_its_record(checkout: Checkout) -> None:
    checkout.install()
    (site,) = checkout.environment.site_packages
    (site / "idna.py").write_text("TAMPERED = True\n", "utf-8")
    assert checkout.install().startswith("install: unchanged")
    checkout.install(force=True)
    assert "it was changed after Poetry installed it" in checkout.said[0]
    assert (site / "idna.py").read_text("utf-8") == ""


def test_an_install_that_fails_leaves_no_state(checkout: Checkout) -> None:
    checkout.install()
    checkout.fails = True
    (checkout.root / "poetry.toml").touch()
    (checkout.root / "poetry.lock").write_text(f"# changed\n{LOCK}", "utf-8")
    with pytest.raises(NoxPexError):
        checkout.install()
    checkout.fails = False
    checkout.install()
    reason = "the last install did not finish, or another version of nox-pex made it"
    assert checkout.said[0] == f"install: creating the environment again: {reason}"


def test_a_path_dependency_is_installed_again_if_its_content_changes(checkout: Checkout) -> None:
    (checkout.root / "poetry.lock").write_text(f"{SHELF}{LOCK}", "utf-8")
    (checkout.root / "shelf").mkdir()
    (checkout.root / "shelf" / "shelf.py").write_text("", "utf-8")
    checkout.install()
    assert not list((checkout.root / "cache").glob("environments/*/"))
    (site,) = checkout.environment.site_packages
    (site / "shelf.py").write_text("as Poetry installed it before\n", "utf-8")
    (checkout.root / "shelf" / "shelf.py").write_text("NEW = True\n", "utf-8")
    checkout.install()
    assert checkout.said[0] == "install: shelf changed"
    assert (site / "shelf.py").read_text("utf-8") == ""


def test_the_paths_in_a_lock_are_remembered_until_it_changes(checkout: Checkout) -> None:
    (checkout.root / "poetry.lock").write_text(f"{SHELF}{LOCK}", "utf-8")
    installer = checkout.installer()
    assert installer.path_dependencies(None, "0") == {"shelf": "shelf"}
    state = PathDependencies(lock="0", paths={"other": "elsewhere"})
    assert installer.path_dependencies(state, "0") == {"other": "elsewhere"}
    assert installer.path_dependencies(state, "1") == {"shelf": "shelf"}


def test_the_inputs_are_the_lock_the_selection_the_tools_and_the_paths(checkout: Checkout) -> None:
    (checkout.root / "whole.whl").write_text("a wheel", "utf-8")
    installer = checkout.installer()
    found = installer.inputs(Selection(("a", "b"), ("c",)), "0", {"whole": "whole.whl"})
    assert found["lock"] == {"poetry.lock": "0"}
    assert (found["settings"]["groups"], found["settings"]["extras"]) == ("a,b", "c")
    assert found["tools"] == {"poetry": pinned.POETRY}
    assert len(found["paths"]["whole"]) == 64
    other = msgspec.structs.replace(installer, poetry_version="1.8.5")
    assert other.inputs(MAIN, "0", {})["tools"] == {"poetry": "1.8.5"}
