from __future__ import annotations

import sys
from pathlib import Path

import pyproject_hooks
import pytest

from nox_pex.distributions.environment import Environment
from nox_pex.errors import NoxPexError
from nox_pex.project import build_wheel, pyproject
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from nox_pex.tools.cache import Caches
from tests.support import environments
from tests.support.environments import FakeProvisioner

BACKEND = """\
import os
import zipfile


def get_requires_for_build_wheel(config_settings=None):
    return {requires}


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    {statement}
    name = "app-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        archive.writestr("app.py", "")
        archive.writestr("app-1.0.dist-info/METADATA", "Name: app\\nVersion: 1.0\\n")
    return name
"""
PYPROJECT = """\
[project]
name = "app"
version = "1.0"

[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


class Checkout:
    """A project with a build backend in its own directory, which runs on the Python of the tests."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root / "project"
        self.into = root / "into"
        self.requirements: list[list[str]] = []
        self.environment = environments.create(root / "backend", base=Path(sys.executable))
        self.root.mkdir()
        self.into.mkdir()
        (self.root / "pyproject.toml").write_text(PYPROJECT, "utf-8")
        self.backend("pass")
        monkeypatch.setattr(build_wheel, "provide_backend", self._provide)

    def backend(self, statement: str, *, requires: tuple[str, ...] = ()) -> None:
        text = BACKEND.format(statement=statement, requires=list(requires))
        (self.root / "backend.py").write_text(text, "utf-8")

    def _provide(self, _: object, requires: list[str], **__: object) -> Environment:
        self.requirements.append(list(requires))
        return self.environment

    def build(self, **environ: str) -> Path:
        shell = Shell(environ=environ, secrets=Secrets(), say=print)
        return build_wheel.build_wheel(
            pyproject.read(self.root),
            into=self.into,
            interpreter=self.environment.interpreter(),
            provisioner=FakeProvisioner(shell=shell, caches=Caches(chosen=self.root), uv=None),
        )


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    return Checkout(tmp_path, monkeypatch)


def test_the_backend_builds_the_wheel_and_leaves_nothing_else(checkout: Checkout) -> None:
    assert checkout.build() == checkout.into / "app-1.0-py3-none-any.whl"
    assert [path.name for path in checkout.into.iterdir()] == ["app-1.0-py3-none-any.whl"]
    assert checkout.requirements == [[]]


def test_the_backend_gets_the_requirements_that_it_asks_for(checkout: Checkout) -> None:
    checkout.backend("pass", requires=("b", "a", "b"))
    checkout.build()
    assert checkout.requirements == [[], ["a", "b"]]


def test_the_environment_of_the_backend_is_the_same_everywhere(checkout: Checkout) -> None:
    checkout.backend("assert os.environ['SOURCE_DATE_EPOCH'] and os.environ['PATH'].endswith(':/usr/bin')")
    checkout.build(PATH="/usr/bin", SOURCE_DATE_EPOCH="1", PYTHONPATH="/elsewhere")
    checkout.backend("assert os.environ['SOURCE_DATE_EPOCH'] != '1' and 'PYTHONPATH' not in os.environ")
    checkout.build(PATH="/usr/bin", SOURCE_DATE_EPOCH="1", PYTHONPATH="/elsewhere")


def test_setuptools_works_outside_of_the_project(checkout: Checkout) -> None:
    checkout.backend("text = open(os.environ['DIST_EXTRA_CONFIG']).read(); assert '/project' not in text; print(text)")
    checkout.build()
    checkout.backend("assert os.environ['DIST_EXTRA_CONFIG'] == '/chosen/setup.cfg'")
    checkout.build(DIST_EXTRA_CONFIG="/chosen/setup.cfg")


def test_compilers_write_no_path_of_the_project(checkout: Checkout) -> None:
    flags = f"'-ffile-prefix-map={checkout.root}=.' in os.environ['CPPFLAGS'].split()"
    checkout.backend(f"assert {flags} and os.environ['CPPFLAGS'].endswith(' -DX -g') and os.environ['CFLAGS'] == '-O1'")
    checkout.build(CPPFLAGS="-DX -g", CFLAGS="-O1")
    checkout.backend("assert '-rpath' not in os.environ.get('LDSHARED', '') and 'CFLAGS' not in os.environ")
    checkout.build()
    checkout.backend("assert os.environ['LDSHARED'] == 'ld -Wl,-rpath,/chosen'")
    checkout.build(LDSHARED="ld -Wl,-rpath,/chosen")


@pytest.mark.parametrize("name", ["svc:main", "job%2Ffeature", "new\nline", 'it\'s "q"'])
def test_a_backend_works_whatever_characters_are_in_the_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    checkout = Checkout(tmp_path / name, monkeypatch)
    (checkout.environment.path / "bin" / "tool").write_text("#!/bin/sh\necho found\n", "utf-8")
    (checkout.environment.path / "bin" / "tool").chmod(0o755)
    checkout.backend(
        "import configparser, subprocess; assert subprocess.check_output(['tool']) == b'found\\n'; "
        "parser = configparser.RawConfigParser(); parser.read(os.environ['DIST_EXTRA_CONFIG']); "
        "os.makedirs(parser['build']['build_base']); assert os.path.isdir(parser['egg_info']['egg_base'])"
    )
    assert checkout.build(PATH="/usr/bin:/bin").is_file()
    assert [path.name for path in checkout.into.iterdir()] == ["app-1.0-py3-none-any.whl"]


def test_the_error_of_a_compiler_is_the_reason(checkout: Checkout) -> None:
    checkout.backend("print('mill.c:1: error: no corn'); raise RuntimeError('gcc failed')")
    with pytest.raises(NoxPexError, match=r"failed: mill\.c:1: error: no corn; make `poetry build` succeed") as caught:
        checkout.build()
    assert caught.value.code == "build-failed"
    assert any("gcc failed" in line for line in caught.value.log)
    assert "package-mode" not in caught.value.remedy


def test_else_the_last_line_is_the_reason(checkout: Checkout) -> None:
    checkout.backend("raise RuntimeError('no flour left')")
    with pytest.raises(NoxPexError, match="failed: RuntimeError: no flour left; "):
        checkout.build()


def test_a_missing_backend_of_poetry_has_package_mode_as_a_remedy(checkout: Checkout) -> None:
    file = checkout.root / "pyproject.toml"
    file.write_text(PYPROJECT.replace('"backend"', '"poetry_of_tomorrow"'), "utf-8")
    with pytest.raises(NoxPexError, match=r"set tool\.poetry\.package-mode = false") as caught:
        checkout.build()
    assert caught.value.code == "build-failed"


@pytest.mark.parametrize(
    ("written", "restored"), [("text + '\\n\\n'", True), ("text.replace('1.0', '1.1')", False), ("'= nonsense'", False)]
)
def test_a_new_layout_of_pyproject_is_undone_and_another_content_is_not(
    checkout: Checkout, written: str, *, restored: bool
) -> None:
    checkout.backend(f"text = open('pyproject.toml').read(); open('pyproject.toml', 'w').write({written})")
    checkout.build()
    assert ((checkout.root / "pyproject.toml").read_text("utf-8") == PYPROJECT) is restored


@pytest.mark.parametrize(
    ("table", "backend"),
    [("", "poetry.core.masonry.api"), ("[build-system]\nrequires = []\n", "setuptools.build_meta:__legacy__")],
)
def test_without_a_backend_in_the_table_the_default_is_used(
    checkout: Checkout, table: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout.root / "pyproject.toml").write_text(f'[project]\nname = "app"\n{table}', "utf-8")
    used: list[str] = []

    class Caller:
        def __init__(self, _: str, build_backend: str, **__: object) -> None:
            used.append(build_backend)

        def get_requires_for_build_wheel(self) -> list[str]:
            return []

        def build_wheel(self, _: str) -> str:
            raise ValueError(used[-1])

    monkeypatch.setattr(pyproject_hooks, "BuildBackendHookCaller", Caller)
    with pytest.raises(NoxPexError, match=backend):
        checkout.build()
    assert set(used) == {backend}
