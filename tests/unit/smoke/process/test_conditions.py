"""The environment and the confinement of each condition."""

from __future__ import annotations

from pathlib import Path

from nox_pex.settings.smoke import BootCondition
from nox_pex.smoke.process import conditions
from nox_pex.smoke.process.confinement import Confinement


def test_each_condition_changes_only_its_variables(tmp_path: Path) -> None:
    env = {"HOME": "/h", "USER": "u", "LOGNAME": "l", "PATH": "/bin", "PEX_ROOT": "/r", "TMPDIR": "/t"}
    scratch = tmp_path / "scratch"
    assert conditions.environment("cold", env, scratch=scratch) == env
    assert conditions.environment("offline", env, scratch=scratch) == env
    unprivileged = conditions.environment("unprivileged", env, scratch=scratch)
    assert unprivileged == {"PATH": "/bin", "PEX_ROOT": "/r", "TMPDIR": "/t"}
    read_only = conditions.environment("read-only", env, scratch=scratch)
    assert read_only == {**env, "PEX_ROOT": "/tmp/pex_root", "TMPDIR": "/tmp"}  # noqa: S108  # a private file system


def test_a_scie_boots_without_a_python_on_path_and_keeps_its_files_in_its_home(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").touch()
    env = {"HOME": "/h", "PATH": str(tmp_path / "bin"), "PEX_ROOT": "/r", "PYENV_ROOT": "/p", "TMPDIR": "/t"}
    assert conditions.environment("scie", env, scratch=tmp_path) == {
        "HOME": "/h",
        "PATH": str(tmp_path / "path" / "0"),
        "TMPDIR": "/t",
        "SCIE_BASE": "/h/.cache/nce",
    }


def test_the_interpreters_of_the_program_stay_visible(tmp_path: Path) -> None:
    real, link, tools = tmp_path / "3.12.1", tmp_path / "3.12", tmp_path / "tools"
    (real / "bin").mkdir(parents=True)
    (real / "bin" / "python3.12").touch()
    link.symlink_to(real)
    (tools / "bin").mkdir(parents=True)
    (tools / "bin" / "python3.12").symlink_to(link / "bin" / "python3.12")
    program = tmp_path / "program"
    program.write_text(f"#!{link}/bin/python3.12 -I\n", encoding="utf-8")
    (tools / "bin" / "python").symlink_to("python")
    pyenv = tmp_path / "pyenv"
    pyenv.mkdir()
    path = f"{tools / 'bin'}:/nowhere/at/all/bin:/tmp/bin"
    found = conditions.interpreter_directories(program, {"PATH": path, "PYENV_ROOT": str(pyenv)})
    assert found == {tools, link, real, pyenv}


def test_only_three_conditions_confine_a_program(tmp_path: Path) -> None:
    def confine(condition: BootCondition) -> Confinement | None:
        return conditions.confinement(
            condition, executable=tmp_path / "none", env={}, root=tmp_path, writable=None, size=1000, join=7
        )

    assert confine("cold") is None
    assert confine("warm") is None
    assert confine("container") is None
    read_only = confine("read-only")
    assert read_only is not None
    assert (read_only.kind, read_only.tmp_bytes, read_only.join) == ("read-only", 64 * 2**20 + 8000, 7)
    assert str(tmp_path) in read_only.visible
