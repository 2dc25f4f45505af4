"""`register()` in a user's noxfile."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.binaries import answer
from tests.support.nox_project import Project, copy_fixture_project

pytestmark = pytest.mark.integration

Make = Callable[[str], Project]

SESSIONS = ("install", "freeze", "pex", "smoke")


def listed(project: Project) -> dict[str, str]:
    """What `nox --list` shows: each session's name, and its one line."""
    lines = [line[2:] for line in project.nox("--list").output.splitlines() if line.startswith(("- ", "* "))]
    return {name.partition(" [")[0]: text.strip() for name, _, text in (line.partition(" -> ") for line in lines)}


@pytest.fixture
def pythons() -> list[tuple[str, Path]]:
    """Two Pythons of different minor versions that work on this machine, each with the directory it is in."""
    homes = [Path(entry) for entry in os.environ["PATH"].split(os.pathsep)]
    root = os.environ.get("PYENV_ROOT")
    homes += sorted(Path(root).glob("versions/3.*/bin")) if root else []
    found: dict[str, Path] = {}
    for minor in range(10, 15):
        for home in homes:
            python = home / f"python3.{minor}"
            if python.exists() and works(python):
                found.setdefault(f"3.{minor}", home)
    if len(found) < 2:
        pytest.skip("there are no two Pythons on this machine")
    return list(found.items())[-2:]


def works(python: Path) -> bool:
    """Whether it starts: a shim of pyenv may not."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


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
def test_the_list_works_however_wrong_the_settings_are(project: Make, spoil: Callable[[Path], object]) -> None:
    loose = project("loose")
    spoil(loose.root)
    assert listed(loose).keys() >= set(SESSIONS)
    assert not (loose.root / ".nox").exists() or not list((loose.root / ".nox").glob("*/pyvenv.cfg"))


def test_a_bare_nox_runs_none_of_them(project: Make) -> None:
    loose = project("loose")
    loose.write_noxfile(before="import nox\n\n@nox.session(venv_backend='none')\ndef own(session): print('own ran')\n")
    result = loose.nox()
    assert result.said("own ran")
    assert not result.said("Running session install")
    assert loose.dist() == {}


def test_the_options_of_nox_are_left_alone(project: Make) -> None:
    loose = project("loose")
    loose.write_noxfile(before="import nox\nnox.options.sessions = ['own']\nbefore = repr(nox.options)\n")
    loose.append("noxfile.py", "print('left alone:', before == repr(nox.options))\n")
    loose.append("noxfile.py", "@nox.session(venv_backend='none')\ndef own(session): pass\n")
    assert loose.nox("--list").said("left alone: True")


def test_prefix(built: Make) -> None:
    loose = built("loose")
    loose.write_noxfile('prefix="ship-"', before="import nox\n\n@nox.session\ndef freeze(session): pass\n")
    assert {f"ship-{name}" for name in SESSIONS} | {"freeze"} <= listed(loose).keys()
    result = loose.nox("-s", "ship-pex")
    assert result.said("Running session ship-freeze")
    assert not result.said("Running session freeze")


def test_only(project: Make) -> None:
    loose = project("loose")
    loose.write_noxfile('only=["freeze"]')
    assert listed(loose).keys() & set(SESSIONS) == {"install", "freeze"}
    loose.write_noxfile('only=["bake"]')
    assert "'bake'" in loose.refused("usage", "--list")


def test_a_project_in_another_directory(built: Make, tmp_path: Path, home: Path) -> None:
    shop = Project(root=tmp_path / "shop", environ=built("packaged").environ)
    copy_fixture_project("loose", shop.root / "services" / "loose")
    shop.write_noxfile('"services/loose"')
    shop.nox("-s", "pex")
    binary = shop.root / "services" / "loose" / "dist" / "loose.pex"
    assert answer(binary, home=home)["stock"] == "seven apples"
    assert not (shop.root / "dist").exists()
    away = Project(root=home, environ=shop.environ)
    result = away.nox("-f", str(shop.root / "noxfile.py"), "-s", "pex")
    assert result.said("pex: loose unchanged")


def test_one_python_keeps_the_plain_names(built: Make, pythons: list[tuple[str, Path]], home: Path) -> None:
    (minor, directory), _ = pythons
    loose = built("loose")
    loose.write_noxfile(f'python="{minor}"')
    path = os.pathsep.join([str(directory), loose.environ["PATH"]])
    loose.nox("-s", "pex", env={"PATH": path})
    assert loose.dist().keys() == {"loose.pex", "loose.pex.json", "loose.requirements.txt"}
    assert answer(loose.binary("loose"), home=home, env={"PATH": path})["python"] == minor


def test_several_pythons(built: Make, pythons: list[tuple[str, Path]], home: Path, tmp_path: Path) -> None:
    loose = Project(root=copy_fixture_project("loose", tmp_path / "several"), environ=built("packaged").environ)
    (one, _), (other, _) = pythons
    loose.write_noxfile(f'python=["{one}", "{other}"]')
    path = os.pathsep.join([*(str(directory) for _, directory in pythons), loose.environ["PATH"]])
    assert listed(loose).keys() >= {f"{name}-{minor}" for name in SESSIONS for minor in (one, other)}
    result = loose.nox("-s", f"pex-{one}", env={"PATH": path})
    assert not result.said(f"-{other}")
    names = {"pex", "pex.json", "requirements.txt"}
    assert loose.dist().keys() == {f"loose-py{one}.{name}" for name in names}
    loose.nox("-s", f"pex-{other}", env={"PATH": path})
    assert loose.dist().keys() == {f"loose-py{minor}.{name}" for name in names for minor in (one, other)}
    for minor in (one, other):
        assert loose.record(f"loose-py{minor}")["python"].startswith(f"CPython {minor}.")
        assert answer(loose.binary(f"loose-py{minor}"), home=home, env={"PATH": path})["python"] == minor
    assert loose.nox("-s", f"pex-{one}", env={"PATH": path}).said("pex: loose unchanged", f"loose-py{one}.pex")


def test_force_python(built: Make, pythons: list[tuple[str, Path]], home: Path) -> None:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    (minor, directory) = next(found for found in pythons if found[0] != own)
    loose = built("loose")
    path = os.pathsep.join([str(directory), loose.environ["PATH"]])
    forced = loose.nox("-s", "pex", "--force-python", minor, env={"PATH": path})
    assert forced.said("rebuilding loose: ", "python changed")
    assert loose.dist().keys() == {"loose.pex", "loose.pex.json", "loose.requirements.txt"}
    assert answer(loose.binary("loose"), home=home, env={"PATH": path})["python"] == minor


def test_a_python_that_is_not_there(built: Make) -> None:
    loose = built("loose")
    before = loose.dist()
    loose.write_noxfile('python="3.99"')
    result = loose.run("-s", "pex", env={"CI": "1"})
    assert result.status != 0
    assert "3.99" in result.output
    assert "Traceback" not in result.output
    assert loose.dist() == before


def test_a_run_of_nox_as_a_script(project: Make) -> None:
    script = shutil.which("nox", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("there is no script `nox` beside this Python")
    loose = project("loose")
    done = subprocess.run(
        [script, "--list"], cwd=loose.root, env=loose.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "pex [pex] -> " in done.stdout


def test_install_only_installs_and_builds_nothing(project: Callable[[str], Project]) -> None:
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
