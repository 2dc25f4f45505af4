"""Every error that a user can cause gives one line with its code, and leaves `dist` as it was."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.mounts import small_disk
from tests.support.nox_project import Project

Make = Callable[[str], Project]


def test_a_missing_lock_is_refused(built: Make) -> None:
    loose = built("loose")
    (loose.root / "poetry.lock").unlink()
    assert "run `poetry lock`" in loose.refused("no-lock", "-s", "pex")
    (loose.root / "uv.lock").touch()
    line = loose.refused("no-lock", "-s", "pex")
    assert "uv.lock: nox-pex reads Poetry's lock, not uv's" in line
    assert "poetry lock" not in line
    assert "uv export" in line


def test_a_first_install_without_a_lock_creates_no_environment(project: Make) -> None:
    loose = project("loose")
    (loose.root / "poetry.lock").unlink()
    loose.refused("no-lock", "-s", "install")
    assert not loose.environment().exists()


def test_a_lock_that_does_not_fit_pyproject_is_refused(built: Make) -> None:
    loose = built("loose")
    loose.edit("pyproject.toml", '["idna==3.11"]', '["idna==3.11", "h11"]')
    assert "run `poetry lock`" in loose.refused("lock-stale", "-s", "pex")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda text: f"<<<<<<< ours\n{text}", "damaged"),
        (lambda _: "\0\xff", "damaged"),
        (lambda _: "", "not a lock file of Poetry"),
        (lambda text: text.replace('lock-version = "2.1"', 'lock-version = "3.0"'), "lock-version 3.0"),
        (lambda text: re.sub(r"(?m)^version = .*$", "", text), "not a lock file of Poetry"),
    ],
)
def test_a_lock_that_cannot_be_read_is_refused(built: Make, edit: Callable[[str], str], said: str) -> None:
    loose = built("loose")
    lock = loose.root / "poetry.lock"
    lock.write_bytes(edit(lock.read_text("utf-8")).encode("latin-1"))
    assert said in loose.refused("lock-unreadable", "-s", "pex")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sh_boot = true", ("pyproject.toml", "tool.nox-pex.binary.loose.sh_boot", "unknown key", "sh-boot")),
        ('sh-boot = "yes"', ("tool.nox-pex.binary.loose.sh-boot", "expected boolean", "string")),
        ('script = "greet"', ("tool.nox-pex.binary.loose", "exactly one of script, entry-point, executable")),
        ('pex-args = ["--venv"]', ("pex-args", "--venv", "execution-mode")),
        ('extras = ["unknown"]', ("no extra 'unknown'",)),
        ("layout = ", ("cannot read", "pyproject.toml")),
    ],
)
def test_a_wrong_setting_is_named_with_its_key(built: Make, line: str, said: tuple[str, ...]) -> None:
    loose = built("loose")
    loose.add_setting(line)
    refusal = loose.refused("config", "-s", "pex")
    assert not [part for part in said if part not in refusal], refusal


def test_a_missing_pyproject_is_refused(built: Make) -> None:
    loose = built("loose")
    (loose.root / "pyproject.toml").unlink()
    assert "no pyproject.toml" in loose.refused("config", "-s", "install")


def test_a_project_without_a_table_and_without_a_script_is_refused(built: Make) -> None:
    loose = built("loose")
    loose.edit("pyproject.toml", '[tool.nox-pex.binary.loose]\nentry-point = "counter:main"\n', "")
    line = loose.refused("entry-missing", "-s", "pex")
    assert "add [tool.nox-pex.binary.loose], and under it the line entry-point = " in line


def test_the_whole_table_that_an_error_shows_can_be_pasted(built: Make) -> None:
    loose = built("loose")
    whole = (loose.root / "pyproject.toml").read_text("utf-8")
    before, _, _ = whole.partition("[tool.nox-pex")
    (loose.root / "pyproject.toml").write_text(before, "utf-8")
    said = loose.run("-s", "smoke").output
    _, _, table = said.partition("paste this into pyproject.toml, made from counter.py; correct what is wrong:\n")
    table, _, _ = table.partition("\nnox > ")
    loose.append("pyproject.toml", f"\n{table}\n")
    loose.nox("-s", "smoke")
    assert (loose.root / "dist" / "loose.smoke.json").is_file()


def test_a_project_with_two_scripts_and_no_table_is_refused(built: Make) -> None:
    cards = built("packaged")
    cards.edit("pyproject.toml", "[project.scripts]\n", '[project.scripts]\nother = "greeting:main"\n')
    line = cards.refused("entry-missing", "-s", "pex")
    assert "greet" in line
    assert "other" in line


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('entry-point = "counter:main"', 'script = "count"', "script is 'count'"),
        ('"counter:main"', '"conter:main"', "has a module conter"),
        ('"counter:main"', '"wares.shelf"', "has a module wares.shelf"),
        ('"counter:main"', '"wares"', "wares is a package without a __main__ module"),
        ('"counter:main"', '"idna"', "idna is a package without a __main__ module"),
    ],
)
def test_an_entry_point_that_does_not_exist_is_refused(built: Make, old: str, new: str, said: str) -> None:
    loose = built("loose")
    loose.edit("pyproject.toml", old, new)
    assert said in loose.refused("entry-missing", "-s", "pex")


def test_the_smoke_test_that_an_error_suggests_works(built: Make) -> None:
    cards = built("packaged")
    line = cards.refused("config", "-s", "smoke")
    assert "greeting-cards checks nothing" in line
    tables, lines = re.findall(r"\[+tool\.[a-z.-]+\]+", line), re.findall(r"the lines? (\S+ = \S+[\]\"0-9])", line)
    assert tables == [
        "[tool.nox-pex.binary.greeting-cards]",
        "[[tool.nox-pex.binary.greeting-cards.smoke.http]]",
        "[[tool.nox-pex.binary.greeting-cards.smoke.command]]",
    ]
    assert lines == ['script = "greet"', 'path = "/"', 'args = ["--version"]']
    cards.append("pyproject.toml", f"\n{tables[0]}\n{lines[0]}\n{tables[2]}\nargs = []\n")
    assert cards.nox("-s", "smoke").said("pex: greeting-cards unchanged")


def test_a_misspelled_script_gets_a_suggestion(built: Make) -> None:
    cards = built("packaged")
    cards.append("pyproject.toml", '[tool.nox-pex.binary.greeting-cards]\nscript = "great"\n')
    assert "did you mean 'greet'" in cards.refused("entry-missing", "-s", "pex")


@pytest.mark.parametrize("line", ['sources = { include = ["template/"] }', 'sources = { include = ["*.sql"] }'])
def test_a_pattern_of_sources_without_a_match_is_refused(built: Make, line: str) -> None:
    loose = built("loose")
    loose.add_setting(line)
    assert "sources.include" in loose.refused("source-missing", "-s", "pex")


def test_an_executable_that_does_not_exist_is_refused(built: Make) -> None:
    loose = built("loose")
    loose.edit("pyproject.toml", 'entry-point = "counter:main"', 'executable = "erand.py"')
    assert "erand.py" in loose.refused("source-missing", "-s", "pex")


def test_a_python_that_requires_python_excludes_is_refused(built: Make) -> None:
    loose = built("loose")
    loose.edit("pyproject.toml", 'requires-python = ">=3.10"', 'requires-python = ">=3.99"')
    loose.relock()
    line = loose.refused("python-mismatch", "-s", "pex")
    assert ">=3.99" in line


def test_interpreter_constraints_that_exclude_the_python_of_the_session_are_refused(built: Make) -> None:
    loose = built("loose")
    loose.add_setting('interpreter-constraints = ["CPython==3.9.*"]')
    assert "CPython==3.9.*" in loose.refused("python-mismatch", "-s", "pex")


def test_a_poetry_that_requires_poetry_excludes_is_refused(built: Make) -> None:
    loose = built("loose")
    loose.edit("pyproject.toml", "[tool.poetry]\n", '[tool.poetry]\nrequires-poetry = ">=9.1"\n')
    line = loose.refused("poetry-version", "-s", "pex")
    assert ">=9.1" in line
    assert "2.5.1" in line
    assert 'poetry-version = "9.1"' in line


def test_a_misspelled_group_gets_a_suggestion(built: Make) -> None:
    loose = built("loose")
    loose.add_setting('groups = ["main", "servr"]')
    line = loose.refused("poetry-missing-group", "-s", "pex")
    assert "'servr'" in line
    assert "did you mean 'server'" in line


def test_an_unreachable_index_is_one_error(built: Make, unreachable_index: str, tmp_path: Path) -> None:
    loose = built("loose")
    loose.add_setting('groups = ["server"]')  # h11 is not installed yet
    env = {"PIP_INDEX_URL": unreachable_index, "POETRY_CACHE_DIR": str(tmp_path / "cache"), "no_proxy": "*"}
    loose.refused("index-unreachable", "-s", "pex", env=env)


def test_an_unreachable_index_for_the_tools_is_one_error(project: Make, unreachable_index: str, tmp_path: Path) -> None:
    loose = project("loose")
    env = {"NOX_PEX_CACHE_DIR": str(tmp_path / "tools"), "UV_CACHE_DIR": str(tmp_path / "uv"), "no_proxy": "*"}
    env |= {"PIP_INDEX_URL": unreachable_index, "PIP_CONFIG_FILE": os.devnull, "UV_HTTP_RETRIES": "0"}
    assert "poetry==" in loose.refused("index-unreachable", "-s", "install", env=env)


def test_a_hash_in_the_lock_that_does_not_fit_the_file_is_refused(built: Make) -> None:
    loose = built("loose")
    lock = loose.root / "poetry.lock"
    lock.write_text(re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, lock.read_text("utf-8")), "utf-8")
    loose.add_setting('groups = ["server"]')
    line = loose.refused("hash-mismatch", "-s", "pex")
    assert "h11" in line


def test_a_lock_without_hashes_is_refused(built: Make) -> None:
    loose = built("loose")
    lock = loose.root / "poetry.lock"
    lock.write_text(re.sub(r"files = \[[^\]]*\]", "files = []", lock.read_text("utf-8")), "utf-8")
    line = loose.refused("hash-missing", "-s", "pex")
    assert "idna" in line


@pytest.mark.parametrize("flag", ["-R", "--no-install"])
def test_an_installed_distribution_that_is_not_locked_is_refused(built: Make, flag: str) -> None:
    loose = built("loose")
    dist_info = loose.site_packages() / "stray-1.0.dist-info"
    dist_info.mkdir()
    (dist_info / "METADATA").write_text("Name: stray\nVersion: 1.0\n", "utf-8")
    (dist_info / "RECORD").write_text("stray-1.0.dist-info/METADATA,,\n", "utf-8")
    line = loose.refused("not-locked", "-s", "pex", flag)
    assert "stray 1.0" in line


def test_no_install_leaves_a_complete_environment_as_it_is(built: Make) -> None:
    loose = built("loose")
    assert loose.nox("-R", "-s", "pex").said("pex: loose unchanged")


BACKEND = """\
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    print("the backend speaks")
    raise RuntimeError("no flour left")
"""


def test_the_failure_and_the_log_of_a_backend_are_shown(built: Make) -> None:
    cards = built("packaged")
    (cards.root / "mill.py").write_text(BACKEND, "utf-8")
    text = (cards.root / "pyproject.toml").read_text("utf-8")
    system = '[build-system]\nrequires = []\nbackend-path = ["."]\nbuild-backend = "mill"\n'
    (cards.root / "pyproject.toml").write_text(re.sub(r"\[build-system\][^\[]*", system, text, count=1), "utf-8")
    before = cards.dist()
    result = cards.run("-s", "pex")
    assert cards.dist() == before
    assert result.said('mill.py", line 3, in build_wheel')
    assert result.said("  | RuntimeError: no flour left")
    line = cards.refused("build-failed", "-s", "pex")
    assert "no flour left" in line
    assert "package-mode" not in line  # that advice is only for the backend of Poetry
    (cards.root / "mill.py").write_text(BACKEND.replace("the backend speaks", "mill.c:1: error: no corn"), "utf-8")
    assert "failed: mill.c:1: error: no corn; " in cards.refused("build-failed", "-s", "pex")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-s", "pex", "--", "--forse"), "--forse"),
        (("-s", "pex", "--", "lose"), "did you mean 'loose'"),
        (("-s", "pex", "--", "--timeout", "soon"), "--timeout"),
        (("--no-venv", "-s", "pex"), "--no-venv"),
        (("--force-venv-backend", "none", "-s", "install"), "--force-venv-backend"),
        (("--no-dependencies", "-s", "pex", "--", "server"), "server"),
    ],
)
def test_a_wrong_option_or_argument_is_refused(built: Make, arguments: tuple[str, ...], said: str) -> None:
    assert said in built("loose").refused("usage", *arguments)


def test_pex_alone_before_anything_is_installed_is_refused(project: Make) -> None:
    line = project("loose").refused("usage", "--no-dependencies", "-s", "pex")
    assert "nothing is installed" in line


def test_a_session_of_the_user_with_the_name_of_one_of_ours_is_refused(built: Make) -> None:
    loose = built("loose")
    loose.write_noxfile(before="import nox\n\n@nox.session\ndef freeze(session): pass\n")
    line = loose.refused("usage", "-s", "pex")
    assert "'freeze'" in line
    assert 'prefix="' in line


def test_an_output_directory_on_a_disk_that_is_too_small_gets_no_binary(built: Make, tmp_path: Path) -> None:
    loose = built("loose")
    small = tmp_path / "small"
    small.mkdir()
    with small_disk(small, kilobytes=200):
        loose.edit("pyproject.toml", "[tool.nox-pex.b", f'[tool.nox-pex]\noutput-dir = "{small}"\n\n[tool.nox-pex.b')
        loose.refused("disk-full", "-s", "pex")
        assert {path.name for path in small.iterdir()} <= {"loose.requirements.txt", "pylock.loose.toml"}


def test_an_output_directory_without_write_permission_is_refused(built: Make) -> None:
    if os.geteuid() == 0:
        pytest.skip("root can write everywhere")
    loose = built("loose")
    (loose.root / "wares" / "stock.txt").write_text("eight pears\n", "utf-8")
    (loose.root / "dist").chmod(0o555)
    try:
        assert "dist" in loose.refused("disk-full", "-s", "pex")
    finally:
        (loose.root / "dist").chmod(0o755)


def test_secrets_in_the_output_of_a_backend_are_masked(built: Make) -> None:
    cards = built("packaged")
    backend = BACKEND.replace("no flour left", "no flour left at https://baker:yeast123@mill.invalid/")
    backend = backend.replace(
        '"the backend speaks"', '__import__("os").environ["BAKERY_TOKEN"], __import__("os").environ["RECIPE"]'
    )
    (cards.root / "mill.py").write_text(backend, "utf-8")
    text = (cards.root / "pyproject.toml").read_text("utf-8")
    system = '[build-system]\nrequires = []\nbackend-path = ["."]\nbuild-backend = "mill"\n'
    text = re.sub(r"\[build-system\][^\[]*", system, text, count=1) + '\n[tool.nox-pex]\nsecrets = ["RECIPE"]\n'
    (cards.root / "pyproject.toml").write_text(text, "utf-8")
    result = cards.run("--verbose", "-s", "pex", env={"BAKERY_TOKEN": "crumb-4711", "RECIPE": "rye-and-salt"})
    assert result.said("error[build-failed]", "no flour left")
    assert result.said("****")
    assert not [secret for secret in ("crumb-4711", "rye-and-salt", "yeast123") if secret in result.output]


def test_the_working_directory_is_not_masked(built: Make) -> None:
    loose = built("loose")
    assert loose.root.name in loose.nox("--verbose", "-s", "pex", "--", "--force").output
    assert "****" not in loose.nox("--verbose", "-s", "pex", "--", "--force").output


def test_a_build_without_git_succeeds(built: Make, tmp_path: Path) -> None:
    loose = built("loose")
    (tmp_path / "bin").mkdir()
    for name in ("sh", "env", "uname"):
        found = shutil.which(name)
        assert found
        (tmp_path / "bin" / name).symlink_to(found)
    (loose.root / "wares" / "stock.txt").write_text("eight pears\n", "utf-8")
    assert loose.nox("-s", "pex", env={"PATH": str(tmp_path / "bin")}).said("rebuilding loose: wares/stock.txt changed")
    assert loose.record("loose")["git"] is None
