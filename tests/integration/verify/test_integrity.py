from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from nox_pex.distributions.environment import Environment
from nox_pex.errors import NoxPexError
from nox_pex.poetry import install_state
from nox_pex.poetry.installed import Installed
from nox_pex.poetry.selection import Selection
from nox_pex.verify import expected_files
from nox_pex.verify.archive import open_pex
from nox_pex.verify.gates import integrity
from nox_pex.verify.pex_distributions import distributions
from tests.support.environments import write_state
from tests.support.pex_files import member, spoiled, with_row
from tests.support.workbench import Workbench, integrity_of, ran


@pytest.fixture
def spoil(packaged: Workbench, tmp_path: Path) -> Callable[[dict[str, bytes | None]], tuple[str, ...]]:
    """Change some members of the packaged project's binary, and return the problems that the gate finds."""

    def judged(changes: dict[str, bytes | None]) -> tuple[str, ...]:
        path = spoiled(packaged.binary("greeting-cards"), tmp_path / "spoiled.pex", changes)
        with open_pex(path) as pex:
            return integrity_of(pex, packaged.installed("greeting-cards")).problems

    return judged


def test_binaries_of_pex_pass_in_both_forms_of_wheels(packaged: Workbench, loose: Workbench) -> None:
    for bench, name in ((packaged, "greeting-cards"), (loose, "loose")):
        with open_pex(bench.binary(name)) as pex:
            verdict = integrity_of(pex, bench.installed(name))
        assert verdict.problems == ()
        assert verdict.details["compared"] > 5


def test_a_changed_file_is_found(
    packaged: Workbench, spoil: Callable[[dict[str, bytes | None]], tuple[str, ...]]
) -> None:
    name, content = member(packaged.binary("greeting-cards"), "idna/core.py")
    problems = spoil({name: content + b"\nimport os\n"})
    assert "idna 3.11: idna/core.py does not match its RECORD" in problems
    assert "idna 3.11: idna/core.py is not the file that Poetry installed" in problems


def test_a_changed_file_whose_row_was_changed_too_is_found(
    packaged: Workbench, spoil: Callable[[dict[str, bytes | None]], tuple[str, ...]]
) -> None:
    binary = packaged.binary("greeting-cards")
    name, content = member(binary, "idna/core.py")
    record, rows = member(binary, "idna-3.11.dist-info/RECORD")
    changed = content + b"\nimport os\n"
    problems = spoil({name: changed, record: with_row(rows, "idna/core.py", changed)})
    assert "idna 3.11: idna/core.py is not the file that Poetry installed" in problems
    assert not [problem for problem in problems if problem.endswith("does not match its RECORD")]


def test_an_added_file_is_found(
    packaged: Workbench, spoil: Callable[[dict[str, bytes | None]], tuple[str, ...]]
) -> None:
    binary = packaged.binary("greeting-cards")
    name, _ = member(binary, "idna/core.py")
    record, rows = member(binary, "idna-3.11.dist-info/RECORD")
    added = name.replace("core.py", "extra.py")
    assert "idna 3.11: idna/extra.py is not in its RECORD" in spoil({added: b"x = 1\n"})
    problems = spoil({added: b"x = 1\n", record: with_row(rows, "idna/extra.py", b"x = 1\n")})
    assert "idna 3.11: idna/extra.py is not among the files that Poetry installed" in problems


def test_a_removed_file_is_found(
    packaged: Workbench, spoil: Callable[[dict[str, bytes | None]], tuple[str, ...]]
) -> None:
    name, _ = member(packaged.binary("greeting-cards"), "idna/core.py")
    problems = spoil({name: None})
    assert "idna 3.11: idna/core.py is in its RECORD, but not in the binary" in problems
    assert "idna 3.11: idna/core.py, which Poetry installed, is missing" in problems


def test_a_missing_record_is_found(
    packaged: Workbench, spoil: Callable[[dict[str, bytes | None]], tuple[str, ...]]
) -> None:
    record, _ = member(packaged.binary("greeting-cards"), "idna-3.11.dist-info/RECORD")
    assert "idna 3.11: it has no RECORD" in spoil({record: None})


def test_a_change_of_the_projects_own_wheel_is_found(
    packaged: Workbench, spoil: Callable[[dict[str, bytes | None]], tuple[str, ...]]
) -> None:
    name, content = member(packaged.binary("greeting-cards"), "greeting/__init__.py")
    problems = spoil({name: content + b"#"})
    assert problems[0] == "greeting-cards 0.4.0: greeting/__init__.py does not match its RECORD"
    assert problems[1].endswith(".whl does not match its digest in PEX-INFO")


def test_a_distribution_that_pex_info_does_not_list_is_found(
    packaged: Workbench, spoil: Callable[[dict[str, bytes | None]], tuple[str, ...]]
) -> None:
    _, content = member(packaged.binary("greeting-cards"), "PEX-INFO")
    info = json.loads(content)
    (wheel,) = [name for name in info["distributions"] if name.startswith("idna-")]
    info["distributions"]["none-1-py3-none-any.whl"] = info["distributions"].pop(wheel)
    problems = spoil({"PEX-INFO": json.dumps(info).encode()})
    assert f"PEX-INFO does not list .deps/{wheel}" in problems
    assert "PEX-INFO lists none-1-py3-none-any.whl, which is not in .deps/" in problems


def test_changes_of_loose_files_and_wheels_are_found(loose: Workbench, tmp_path: Path) -> None:
    binary, installed = loose.binary("loose"), loose.installed("loose")
    (wheel,) = (binary / ".deps").glob("idna-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members["idna/core.py"] += b"\nimport os\n"
    changed = tmp_path / "changed.whl"
    with zipfile.ZipFile(changed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    path = spoiled(binary, tmp_path / "a.pex", {f".deps/{wheel.name}": changed.read_bytes()})
    with open_pex(path) as pex:
        problems = integrity_of(pex, installed).problems
    assert "idna 3.11: idna/core.py does not match its RECORD" in problems
    assert f"idna 3.11: {wheel.name} does not match its digest in PEX-INFO" in problems
    path = spoiled(binary, tmp_path / "b.pex", {"counter.py": b"print('changed')\n"})
    with open_pex(path) as pex:
        (problem,) = integrity_of(pex, installed).problems
    assert problem.startswith("the project's loose files do not match their digest")


def test_a_changed_environment_is_no_evidence(packaged: Workbench, tmp_path: Path) -> None:
    installed = packaged.installed("greeting-cards")
    state = install_state.read(installed.environment)
    assert state is not None
    state.distributions["idna"][1] = "0" * 64
    other = tmp_path / "environment"
    other.mkdir()
    (other / "lib").symlink_to(installed.environment.path / "lib")
    install_state.write(Environment(path=other), state)
    with pytest.raises(NoxPexError, match="the RECORD of idna") as caught:
        expected_files.expected_from_environment(_installed(Environment(path=other)))
    assert caught.value.code == "integrity"


_INSTALL = """\
import sys
from pathlib import Path
from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

home = Path(sys.argv[1])
(lib,) = map(str, home.glob("lib/python*/site-packages"))
scheme = {
    "purelib": lib,
    "platlib": lib,
    "scripts": str(home / "bin"),
    "data": str(home),
    "headers": str(home / "include/site/python3.11/datadist"),
}
to = SchemeDictionaryDestination(scheme, interpreter=str(home / "bin/python"), script_kind="posix")
with WheelFile.open(Path(sys.argv[2])) as wheel:
    install(wheel, to, {"INSTALLER": b"Poetry"})
"""
"""Installs a wheel with the library that Poetry uses."""


def _installed(environment: Environment) -> Installed:
    return Installed(
        selection=Selection(groups=("main",), extras=()),
        environment=environment,
        distributions=environment.distributions(),
        path_digests={},
        seconds=0.0,
    )


def _wheel(path: Path, members: dict[str, bytes]) -> None:
    info = "datadist-1.0.dist-info"
    files = {
        **members,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: datadist\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": b"[console_scripts]\ncon = datadist:main\n",
    }
    record = f"{info}/RECORD,,\n".encode()
    for name, content in files.items():
        record = with_row(record, name, content)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("layout", ["zipapp", "packed", "loose"])
@pytest.mark.parametrize("form", ["--pre-install-wheels", "--no-pre-install-wheels"])
def test_scripts_data_and_headers_are_compared_in_every_layout(
    packaged: Workbench, environ: dict[str, str], tmp_path: Path, layout: str, form: str
) -> None:
    """Compare them with an environment into which Poetry's installer has put them."""
    _wheel(
        tmp_path / "datadist-1.0-py3-none-any.whl",
        {
            "datadist/__init__.py": b"def main() -> None: ...\n",
            "datadist_path.pth": b"import sys\n",
            "datadist-1.0.data/scripts/tool": b"#!python\nprint(1)\n",
            "datadist-1.0.data/scripts/shell": b"#!/bin/sh\necho 1\n",
            "datadist-1.0.data/data/share/datadist/x.txt": b"text\n",
            "datadist-1.0.data/headers/datadist.h": b"/* */\n",
        },
    )
    provisioner = packaged.context().provisioner
    home = tmp_path / "environment"
    provisioner.create(home, python=packaged.installed("greeting-cards").environment.python.resolve(), seed=False)
    (poetry,) = (provisioner.caches.root / "tools").glob("poetry-*/bin/python")
    ran(poetry, "-c", _INSTALL, home, tmp_path / "datadist-1.0-py3-none-any.whl", cwd=tmp_path, environ=environ)
    (tmp_path / "pins").write_text("datadist==1.0\n")
    (pex,) = (provisioner.caches.root / "tools").glob("pex-*/bin/python")
    arguments = ("--venv-repository", home, "-r", "pins", "--layout", layout, form, "-o", "x.pex")
    ran(pex, "-m", "pex", *arguments, cwd=tmp_path, environ=environ)
    installed = _as_installed(home)
    with open_pex(tmp_path / "x.pex") as found:
        verdict = integrity.judge(found, distributions(found), installed)
    assert verdict.problems == ()
    assert verdict.details["compared"] == 7
    script = home / "bin" / "tool"
    script.write_text(script.read_text() + "import os\n")
    with open_pex(tmp_path / "x.pex") as found:
        (problem,) = integrity.judge(found, distributions(found), installed).problems
    assert "cannot be compared, because the installed tool was changed" in problem


def _as_installed(home: Path) -> Mapping[str, expected_files.ExpectedFiles]:
    environment = Environment(path=home)
    write_state(environment)
    return expected_files.expected_from_environment(_installed(environment))
