"""`register()` in a user's noxfile: the sessions, their options, and several Pythons."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import interpreters
from tests.support.binaries import answer
from tests.support.commands import run
from tests.support.nox_project import Project, built_files, copy_fixture_project

Make = Callable[[str], Project]

SESSIONS = ("install", "freeze", "pex", "smoke")


def listed(project: Project) -> dict[str, str]:
    """The sessions that `nox --list` shows: each name, and its line of help."""
    lines = [line[2:] for line in project.nox("--list").output.splitlines() if line.startswith(("- ", "* "))]
    return {name.partition(" [")[0]: text.strip() for name, _, text in (line.partition(" -> ") for line in lines)}


@pytest.fixture
def pythons() -> list[tuple[str, Path]]:
    """Two Pythons of this machine, 3.10 or later: the minor version and the directory of each."""
    found = {int(minor.partition(".")[2]): path.parent for minor, path in interpreters.pythons().items()}
    allowed = sorted(minor for minor in found if minor >= 10)  # what the fixture projects require
    if len(allowed) < 2:
        pytest.skip("needs two Pythons, from pyenv or on PATH")
    return [(f"3.{minor}", found[minor]) for minor in allowed[-2:]]


def test_each_session_is_listed_with_one_line(project: Make) -> None:
    shown = listed(project("loose"))
    assert shown.keys() >= set(SESSIONS)
    assert all(shown[name].endswith(".") for name in SESSIONS)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda root: (root / "pyproject.toml").write_text("[tool.nox-pex]\nbinary = 3\n", "utf-8"),
        lambda root: (root / "pyproject.toml").write_text("nonsense", "utf-8"),
        lambda root: (root / "pyproject.toml").unlink(),
        lambda root: (root / "poetry.lock").unlink(),
    ],
)
def test_the_list_works_with_wrong_settings_and_missing_files(project: Make, spoil: Callable[[Path], object]) -> None:
    loose = project("loose")
    spoil(loose.root)
    assert listed(loose).keys() >= set(SESSIONS)
    assert not (loose.root / ".nox").exists() or not list((loose.root / ".nox").glob("*/pyvenv.cfg"))


def test_nox_without_arguments_runs_no_session_of_nox_pex(project: Make) -> None:
    loose = project("loose")
    loose.write_noxfile(
        before="import nox\n\n@nox.session(venv_backend='none')\ndef mine(session): print('mine ran')\n"
    )
    result = loose.nox()
    assert result.said("mine ran")
    assert not result.said("Running session install")
    assert loose.dist() == {}


def test_register_does_not_change_the_options_of_nox(project: Make) -> None:
    loose = project("loose")
    loose.write_noxfile(before="import nox\nnox.options.sessions = ['mine']\nbefore = repr(nox.options)\n")
    loose.append("noxfile.py", "print('unchanged:', before == repr(nox.options))\n")
    loose.append("noxfile.py", "@nox.session(venv_backend='none')\ndef mine(session): pass\n")
    assert loose.nox("--list").said("unchanged: True")


def test_a_prefix_renames_the_sessions_and_their_requirements(built: Make) -> None:
    loose = built("loose")
    loose.write_noxfile('prefix="ship-"', before="import nox\n\n@nox.session\ndef freeze(session): pass\n")
    assert {f"ship-{name}" for name in SESSIONS} | {"freeze"} <= listed(loose).keys()
    result = loose.nox("-s", "ship-pex")
    assert result.said("Running session ship-freeze")
    assert not result.said("Running session freeze")


def test_only_registers_the_named_steps_and_those_that_they_require(project: Make) -> None:
    loose = project("loose")
    loose.write_noxfile('only=["freeze"]')
    assert listed(loose).keys() & set(SESSIONS) == {"install", "freeze"}
    loose.write_noxfile('only=["bake"]')
    assert "'bake'" in loose.refused("usage", "--list")


def test_a_project_in_another_directory_is_built_in_its_directory(built: Make, tmp_path: Path, home: Path) -> None:
    shop = Project(root=tmp_path / "shop", environ=built("packaged").environ)
    copy_fixture_project("loose", shop.root / "services" / "loose")
    shop.write_noxfile('"services/loose"')
    shop.nox("-s", "pex")
    binary = shop.root / "services" / "loose" / "dist" / "loose.pex"
    assert answer(binary, home=home)["stock"] == "seven apples"
    assert not (shop.root / "dist").exists()
    outside = Project(root=home, environ=shop.environ)
    result = outside.nox("-f", str(shop.root / "noxfile.py"), "-s", "pex")
    assert result.said("pex: loose unchanged")


def test_one_python_keeps_the_plain_names(built: Make, pythons: list[tuple[str, Path]], home: Path) -> None:
    (minor, directory), _ = pythons
    loose = built("loose")
    loose.write_noxfile(f'python="{minor}"')
    path = os.pathsep.join([str(directory), loose.environ["PATH"]])
    loose.nox("-s", "pex", env={"PATH": path})
    assert loose.dist().keys() == built_files("loose")
    assert answer(loose.binary("loose"), home=home, env={"PATH": path})["python"] == minor


def test_several_pythons_build_files_with_their_versions_in_the_names(
    built: Make, pythons: list[tuple[str, Path]], home: Path, tmp_path: Path
) -> None:
    loose = Project(root=copy_fixture_project("loose", tmp_path / "several"), environ=built("packaged").environ)
    (one, _), (other, _) = pythons
    loose.write_noxfile(f'python=["{one}", "{other}"]')
    path = os.pathsep.join([*(str(directory) for _, directory in pythons), loose.environ["PATH"]])
    assert listed(loose).keys() >= {f"{name}-{minor}" for name in SESSIONS for minor in (one, other)}
    result = loose.nox("-s", f"pex-{one}", env={"PATH": path})
    assert not result.said(f"-{other}")

    def files_of(minor: str) -> set[str]:
        standard = f"pylock.loose-py{minor.replace('.', '-')}.toml"
        return {
            standard,
            *(f"loose-py{minor}.{name}" for name in ("pex", "pex.json", "pex.sha256", "requirements.txt")),
        }

    assert loose.dist().keys() == files_of(one)
    loose.nox("-s", f"pex-{other}", env={"PATH": path})
    assert loose.dist().keys() == files_of(one) | files_of(other)
    for minor in (one, other):
        assert loose.record(f"loose-py{minor}")["python"].startswith(f"CPython {minor}.")
        assert answer(loose.binary(f"loose-py{minor}"), home=home, env={"PATH": path})["python"] == minor
    assert loose.nox("-s", f"pex-{one}", env={"PATH": path}).said("pex: loose unchanged", f"loose-py{one}.pex")


def test_force_python_builds_the_binary_for_another_python(
    built: Make, pythons: list[tuple[str, Path]], home: Path
) -> None:
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    (minor, directory) = next(found for found in pythons if found[0] != this)
    loose = built("loose")
    path = os.pathsep.join([str(directory), loose.environ["PATH"]])
    forced = loose.nox("-s", "pex", "--force-python", minor, env={"PATH": path})
    assert forced.said("rebuilding loose: ", "python changed")
    assert loose.dist().keys() == built_files("loose")
    assert answer(loose.binary("loose"), home=home, env={"PATH": path})["python"] == minor


def test_a_missing_python_fails_on_ci_and_leaves_the_files(built: Make) -> None:
    loose = built("loose")
    before = loose.dist()
    loose.write_noxfile('python="3.99"')
    result = loose.run("-s", "pex", env={"CI": "1"})
    assert result.status != 0
    assert "3.99" in result.output
    assert "Traceback" not in result.output
    assert loose.dist() == before


def test_the_script_nox_lists_the_sessions(project: Make) -> None:
    script = shutil.which("nox", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("there is no script `nox` next to this Python")
    loose = project("loose")
    result = run([script, "--list"], cwd=loose.root, env=loose.environ)
    assert result.status == 0, result.output
    assert "pex [pex] -> " in result.output


def test_install_only_installs_without_a_build(project: Callable[[str], Project]) -> None:
    loose = project("loose")
    result = loose.nox("-s", "pex", "--install-only")
    assert result.said("install:", "distribution")
    assert loose.installed()
    assert not loose.dist()


def test_no_install_leaves_the_environment_as_it_is(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    shutil.rmtree(next(loose.site_packages().glob("idna-*.dist-info")))
    result = loose.run("-s", "install", "--no-install")
    assert result.said("install:", "--no-install")
    assert not any(name.startswith("idna-") for name in loose.installed())
