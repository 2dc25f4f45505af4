"""If nothing has changed, no tool is started. If anything has changed, the binary is rebuilt, with the reason."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.binaries import answer, launch, source_members
from tests.support.digests import file_digests
from tests.support.git_repository import GitRepository
from tests.support.nox_project import Project


def assert_unchanged(project: Project) -> None:
    """Assert that `nox -s pex` finds nothing to do: with an empty cache it has no tool to start."""
    before = project.dist()
    result = project.nox("-s", "pex", env={"NOX_PEX_CACHE_DIR": str(project.root / "no-cache")})
    assert result.said("install: unchanged"), result.output
    assert result.said("freeze: loose unchanged"), result.output
    assert result.said("pex: loose unchanged"), result.output
    assert project.dist() == before
    assert not (project.root / "no-cache").exists()


def assert_rebuilt(project: Project, *reasons: str) -> None:
    """Assert that `nox -s pex` rebuilds the binary for these reasons, and that the next run finds nothing to do."""
    result = project.nox("-s", "pex")
    assert result.said("rebuilding loose: ", *reasons), result.output
    assert_unchanged(project)


def test_an_unchanged_run_starts_only_nox_uv_and_git(built: Callable[[str], Project], tmp_path: Path) -> None:
    loose = built("loose")
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace, to see which programs are started")
    traces = tmp_path / "traces"
    # A file for each process, because the lines of processes that start at the same time would be mixed.
    options = ["-ff", "-qq", "-e", "trace=execve", "-o", str(traces / "trace")]

    def started() -> list[str]:
        shutil.rmtree(traces, ignore_errors=True)
        traces.mkdir()
        argv = [strace, *options, *loose.argv("-s", "pex")]
        subprocess.run(argv, cwd=loose.root, env=loose.environ, check=True, capture_output=True)
        text = "\n".join(file.read_text("utf-8") for file in traces.iterdir())
        programs = [Path(name).name for name in re.findall(r'execve\("([^"]+)".* = 0$', text, re.MULTILINE)]
        programs.remove(Path(loose.argv()[0]).name)  # Nox itself
        return sorted(programs)

    # uv because Nox asks for its version. Without a repository, Git is not asked.
    assert started() == ["uv"]
    (loose.root / ".gitignore").write_text(".nox\ndist\n", "utf-8")
    GitRepository(root=loose.root, environ=loose.environ).commit()
    loose.nox("-s", "pex")  # writes the commit into the build record
    assert_unchanged(loose)
    # `git ls-files` for the sources and `git status` for the commit
    assert started() == ["git", "git", "uv"]


def test_other_dates_of_files_rebuild_nothing(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    for path in [loose.root, *loose.root.rglob("*")]:
        if not path.is_symlink():
            os.utime(path, (1_000_000_000, 1_000_000_000))
    assert_unchanged(loose)


@pytest.mark.parametrize(
    "setting",
    [
        "[tool.nox-pex.binary.loose.smoke]\nstartup-timeout = 3.5",
        '[[tool.nox-pex.binary.loose.smoke.command]]\nargs = ["--version"]',
        '[tool.nox-pex.binary.loose.budget]\nsize = "60 MB"',
        '[tool.another]\nkey = "value"',
        "# a comment",
    ],
)
def test_settings_of_another_step_rebuild_nothing(built: Callable[[str], Project], setting: str) -> None:
    loose = built("loose")
    loose.add_setting(setting)
    assert_unchanged(loose)


def test_files_that_do_not_ship_rebuild_nothing(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    (loose.root / "tests" / "test_more.py").write_text("", "utf-8")
    (loose.root / ".env").write_text("A=1\n", "utf-8")
    (loose.root / "README.md").write_text("# Loose\n", "utf-8")
    assert_unchanged(loose)


def test_a_changed_source_rebuilds_the_binary(built: Callable[[str], Project], home: Path) -> None:
    loose = built("loose")
    (loose.root / "wares" / "stock.txt").write_text("eight pears\n", "utf-8")
    assert_rebuilt(loose, "wares/stock.txt changed")
    assert answer(loose.binary("loose"), home=home)["stock"] == "eight pears"
    assert loose.record("loose")["sha256"] == loose.dist()["loose.pex"]


def test_a_changed_source_of_the_same_size_and_date_rebuilds_the_binary(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    file = loose.root / "wares" / "stock.txt"
    status = file.stat()
    file.write_text(file.read_text("utf-8").swapcase(), "utf-8")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert_rebuilt(loose, "wares/stock.txt changed")


def test_a_new_source_and_a_removed_one_rebuild_the_binary(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    (loose.root / "wares" / "more.py").write_text("MORE = 1\n", "utf-8")
    assert_rebuilt(loose, "wares/more.py added")
    assert "wares/more.py" in source_members(loose.binary("loose"))
    (loose.root / "wares" / "more.py").unlink()
    (loose.root / "errand.py").unlink()
    assert_rebuilt(loose, "wares/more.py removed", "errand.py removed")
    assert source_members(loose.binary("loose")) == ["counter.py", "wares/__init__.py", "wares/stock.txt"]


def test_a_source_that_became_executable_rebuilds_the_binary(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    (loose.root / "errand.py").chmod(0o755)
    assert_rebuilt(loose, "errand.py changed")


def test_a_changed_lock_installs_freezes_and_rebuilds(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    loose.edit("poetry.lock", "[metadata]", "# a comment\n[metadata]")
    result = loose.nox("-s", "pex")
    assert result.said("install: poetry.lock changed")
    assert result.said("freeze: loose pinned")
    assert result.said("rebuilding loose: poetry.lock changed")
    assert_unchanged(loose)


def test_a_changed_setting_rebuilds_the_binary(built: Callable[[str], Project], home: Path) -> None:
    loose = built("loose")
    loose.add_setting('inject-env = { WORD = "one" }')
    assert_rebuilt(loose, "inject-env")
    loose.edit("pyproject.toml", '"one"', '"two"')
    assert_rebuilt(loose, "inject-env")
    assert answer(loose.binary("loose"), home=home)["environ"]["WORD"] == "two"


def test_another_version_of_pex_rebuilds_the_binary(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    loose.edit("pyproject.toml", "[tool.nox-pex.b", '[tool.nox-pex]\npex-version = "2.105.1"\n\n[tool.nox-pex.b')
    assert_rebuilt(loose, "pex 2.105.2 -> 2.105.1")
    assert loose.record("loose")["tools"]["pex"] == "2.105.1"


def test_a_changed_binary_is_rebuilt(built: Callable[[str], Project], home: Path) -> None:
    loose = built("loose")
    before = loose.dist()
    with loose.binary("loose").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    assert_rebuilt(loose, "the file was changed after it was built")
    assert loose.dist()["loose.pex"] == before["loose.pex"]
    assert answer(loose.binary("loose"), home=home)["said"] == "counter"


def test_removed_files_are_written_again(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    before = loose.dist()
    (loose.root / "dist" / "loose.pex.json").unlink()
    assert_rebuilt(loose, "no build record")
    loose.binary("loose").unlink()
    assert loose.nox("-s", "pex").said("building loose: not built yet")
    (loose.root / "dist" / "loose.requirements.txt").unlink()
    result = loose.nox("-s", "pex")
    assert result.said("freeze: loose pinned")
    assert result.said("pex: loose unchanged")
    shutil.rmtree(loose.root / "dist")
    loose.nox("-s", "pex")
    after = loose.dist()
    assert {name for name in before if before[name] != after[name]} <= {"loose.pex.json"}
    assert after.keys() == before.keys()


def test_a_changed_requirements_file_is_written_again(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    before = loose.dist()
    loose.append("dist/loose.requirements.txt", "h11==0.16.0\n")
    assert loose.nox("-s", "freeze").said("freeze: loose pinned")
    assert loose.dist() == before


def test_a_changed_or_removed_environment_is_installed_again(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    shutil.rmtree(next(loose.site_packages().glob("idna-*.dist-info")))
    assert loose.nox("-s", "pex").said("install: ", "it was changed after Poetry installed it")
    assert loose.installed() == {"idna-3.11"}
    shutil.rmtree(loose.environment())
    loose.nox("-s", "pex")
    assert loose.installed() == {"idna-3.11"}
    assert_unchanged(loose)


def test_a_changed_installed_file_does_not_ship(built: Callable[[str], Project], tmp_path: Path) -> None:
    # With a new cache there are no packed dependencies, so the environment is packed.
    loose = built("loose").with_new_cache(tmp_path / "cache")
    (loose.site_packages() / "idna" / "core.py").write_text("TAMPERED = True\n", "utf-8")
    loose.add_setting("pre-install-wheels = false")
    line = loose.refused("integrity", "-s", "pex")
    assert "idna: idna/core.py" in line
    assert "nox -s install -- --force" in line
    loose.nox("-s", "install", "--", "--force")
    assert_rebuilt(loose, "pre-install-wheels")


def test_force_builds_the_same_bytes_again(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    before = loose.dist()["loose.pex"]
    result = loose.nox("-s", "pex", "--", "--force")
    assert result.said("install: Poetry ")
    assert result.said("freeze: loose pinned")
    assert result.said("rebuilding loose: forced")
    assert loose.dist()["loose.pex"] == before
    assert_unchanged(loose)


def test_a_packaged_project_is_rebuilt_after_a_change_of_anything_that_its_backend_reads(
    built: Callable[[str], Project], home: Path
) -> None:
    cards = built("packaged")
    name = "greeting-cards"
    assert cards.nox("-s", "pex").said(f"pex: {name} unchanged")
    (cards.root / "src" / "greeting" / "words.txt").write_text("good morning\n", "utf-8")
    assert cards.nox("-s", "pex").said(f"rebuilding {name}: src/greeting/words.txt changed")
    assert launch(cards.binary(name), home=home).output.startswith("good morning ")
    cards.edit("pyproject.toml", 'version = "0.4.0"', 'version = "0.5.0"')
    assert cards.nox("-s", "pex").said(f"rebuilding {name}: pyproject.toml changed")
    assert cards.record(name)["version"] == "0.5.0"
    assert cards.nox("-s", "pex").said(f"pex: {name} unchanged")
    cards.append("pyproject.toml", f'[tool.nox-pex.binary.{name}]\nscript = "greet"\n')
    cards.append("pyproject.toml", f'[[tool.nox-pex.binary.{name}.smoke.command]]\nargs = ["--version"]\n')
    # The new settings are those of another step, and one that equals the default.
    assert cards.nox("-s", "pex").said(f"pex: {name} unchanged")


def test_a_moved_checkout_is_unchanged(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    before = dict(file_digests(loose.root / "dist"))
    moved = loose.root.rename(loose.root.with_name("moved"))
    result = Project(root=moved, environ=loose.environ).nox("-s", "pex", env={"NOX_PEX_CACHE_DIR": str(moved / "none")})
    assert result.said("pex: loose unchanged")
    assert dict(file_digests(moved / "dist")) == before
    assert not (moved / "none").exists()


def test_the_option_binary_skips_install_freeze_and_pex(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    before = loose.dist()
    (loose.root / "wares" / "stock.txt").write_text("eight pears\n", "utf-8")
    result = loose.nox("-s", "report", "--", "--binary", "dist/loose.pex")
    for session in ("install", "freeze", "pex"):
        assert result.said(f"{session}: skipped, --binary {loose.binary('loose')}")
    (loose.root / "dist" / "loose.html").unlink()
    assert loose.dist() == before
