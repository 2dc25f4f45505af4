"""The sdist and the wheel of nox-pex, as the tools that judge distributions see them, and as a user installs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import uv
from ruamel.yaml import YAML

import nox_pex
from nox_pex import site
from nox_pex.system import locks
from tests.support.commands import clean_environ, run
from tests.support.nox_project import CHECKOUT
from tests.support.published import Published, build, index_environ, published

PYROMA = "pyroma==5.0.1"
"""It is not locked: the lock would then contain the description of one of its dependencies, which names a registry."""


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return published(tmp_path_factory.mktemp("published") / "dist")


@pytest.fixture
def installed(distributions: Published, shared: Path) -> Path:
    """The directory of the programs of a new environment with the wheel."""
    home = shared / "published"
    with locks.locked(shared / "published.lock", waiting=lambda: None):
        if not (home / "complete").exists():
            environ = {**clean_environ(), **index_environ()}
            for argv in (
                ["venv", "--quiet", "--clear", f"--python={sys.executable}", str(home)],
                [
                    "pip",
                    "install",
                    "--quiet",
                    "--no-config",
                    f"--python={home / 'bin' / 'python'}",
                    f"{distributions.wheel}[invoke]",
                ],
            ):
                result = run([uv.find_uv_bin(), *argv], cwd=shared, env=environ)
                assert result.status == 0, result.output
            (home / "complete").touch()
    return home / "bin"


def tool(name: str, *arguments: str, cwd: Path, path: Path | None = None) -> str:
    """Run a program next to this Python, which must succeed. Return what it printed. `path` is put before `PATH`."""
    environ = {**clean_environ(), "PATH": os.pathsep.join([*([str(path)] if path else []), os.environ["PATH"]])}
    result = run([str(Path(sys.executable).with_name(name)), *arguments], cwd=cwd, env=environ)
    assert result.status == 0, result.output
    return result.output


def test_the_sdist_has_each_file_of_the_repository_and_no_other(distributions: Published) -> None:
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    expected = {name for name in listed.split("\0") if name and (CHECKOUT / name).is_file()}
    with tarfile.open(distributions.sdist) as archive:
        found = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert found == {*expected, "PKG-INFO"}


def test_the_wheel_has_the_package_alone_and_the_same_bytes_from_the_sdist_and_from_the_checkout(
    distributions: Published, tmp_path: Path
) -> None:
    with zipfile.ZipFile(distributions.wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {"nox_pex", f"nox_pex-{nox_pex.__version__}.dist-info"}
    assert {"nox_pex/py.typed", f"nox_pex-{nox_pex.__version__}.dist-info/licenses/LICENSE"} <= set(names)
    build(tmp_path, "--wheel")
    assert (tmp_path / distributions.wheel.name).read_bytes() == distributions.wheel.read_bytes()


def test_twine_and_check_wheel_contents_find_nothing(distributions: Published, tmp_path: Path) -> None:
    checked = tool("twine", "check", "--strict", *distributions.files, cwd=tmp_path)
    assert checked.count("PASSED") == 2
    assert tool("check-wheel-contents", str(distributions.wheel), cwd=tmp_path).endswith(": OK\n")


def test_pyroma_rates_the_sdist_with_10_of_10(distributions: Published, tmp_path: Path) -> None:
    argv = [uv.find_uv_bin(), "tool", "run", "--no-config", "--from", PYROMA, "pyroma", "--min=10"]
    result = run([*argv, str(distributions.sdist)], cwd=tmp_path, env={**clean_environ(), **index_environ()})
    assert result.status == 0, result.output
    assert "Final rating: 10/10" in result.output


def test_the_unpacked_sdist_passes_its_own_tests(distributions: Published, tmp_path: Path) -> None:
    with tarfile.open(distributions.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (root,) = tmp_path.iterdir()
    argv = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/unit/test_release.py"]
    result = run([*argv, "tests/unit/test_errors.py"], cwd=root, env=clean_environ())
    assert result.status == 0, result.output


def test_the_installed_program_starts_without_a_checkout(installed: Path, tmp_path: Path) -> None:
    program = str(installed / "nox-pex")
    version = run([program, "--version"], cwd=tmp_path, env=clean_environ())
    assert (version.status, version.output) == (0, f"nox-pex {nox_pex.__version__}\n")
    usage = run([program, "--help"], cwd=tmp_path, env=clean_environ())
    assert usage.status == 0, usage.output
    assert re.findall(r"^    (\w+) ", usage.output, re.MULTILINE) == ["check", "sign"]


def test_an_installed_nox_has_the_sessions_of_a_noxfile_of_two_lines(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "noxfile.py").write_text("import nox_pex\n\nnox_pex.register()\n", "utf-8")
    result = run([str(installed / "nox"), "--list"], cwd=tmp_path, env=clean_environ())
    assert result.status == 0, result.output
    assert result.said("smoke", "Launch the PEX file")


def test_validate_pyproject_finds_the_schema_of_the_installed_package(installed: Path, tmp_path: Path) -> None:
    group = "importlib.metadata.entry_points(group='validate_pyproject.tool_schema')"
    code = f"import importlib.metadata; print({group}['nox-pex'].load()('nox-pex')['$id'])"
    result = run([str(installed / "python"), "-I", "-c", code], cwd=tmp_path, env=clean_environ())
    assert result.output.strip() == f"{site.DOCS}settings.schema.json"


def test_the_hook_of_pre_commit_runs_where_the_wheel_is_installed(installed: Path, tmp_path: Path) -> None:
    (hook,) = YAML(typ="safe", pure=True).load((CHECKOUT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    program, *arguments = hook["entry"].split()
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\n\n[tool.nox-pex]\ngroup = []\n', "utf-8")
    argv = [str(installed / program), *arguments, "pyproject.toml"]
    result = run(argv, cwd=tmp_path, env=clean_environ())
    assert result.status == 1, result.output
    assert result.said("error[config]: ", "pyproject.toml:5: tool.nox-pex.group: unknown key")


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_pyright_knows_the_type_of_every_public_name(installed: Path, tmp_path: Path) -> None:
    judged = tool("pyright", "--verifytypes", "nox_pex", "--ignoreexternal", cwd=tmp_path, path=installed)
    assert "Type completeness score: 100%" in judged
