"""From the lock to a binary: each session writes its files, and they are correct."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.support.binaries import answer, launch, members, pex_info, source_members
from tests.support.commands import clean_environ, run
from tests.support.digests import digest
from tests.support.git_repository import GitRepository
from tests.support.nox_project import Project, built_files, copy_fixture_project

RECORD_KEYS = {
    *("name", "version", "sha256", "size", "inputs", "lock-hash", "python", "platform", "tools", "git", "sources"),
    *("left-out", "disagreements", "distributions", "seconds", "built"),
}


def installed_by_pip(requirements: Path, into: Path) -> set[str]:
    """The distributions that the real pip installs from a frozen file into a new directory."""
    environment, target = into / "environment", into / "target"
    subprocess.run([sys.executable, "-m", "virtualenv", "--quiet", "--no-periodic-update", environment], check=True)
    argv = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--target", str(target)]
    result = run([*argv, "--require-hashes", "--no-deps", "-r", str(requirements)], cwd=into, env=clean_environ())
    assert result.status == 0, result.output
    return {path.name.removesuffix(".dist-info") for path in target.glob("*.dist-info")}


def locked_hashes(project: Project) -> set[str]:
    return set(re.findall(r'hash = "(sha256:[0-9a-f]{64})"', (project.root / "poetry.lock").read_text("utf-8")))


def test_a_project_of_loose_sources_becomes_a_binary_that_runs_without_the_project(
    project: Callable[[str], Project], home: Path
) -> None:
    loose = project("loose")
    result = loose.nox("-s", "pex")
    assert loose.installed() == {"idna-3.11"}
    assert loose.dist().keys() == built_files("loose")
    assert result.said("left out: templates/ (in no package); to ship what is needed, paste this table")
    assert result.said('include = ["templates/"]')

    binary = loose.binary("loose")
    assert stat.S_IMODE(binary.stat().st_mode) == 0o755
    sources = ["counter.py", "errand.py", "wares/__init__.py", "wares/stock.txt"]
    assert source_members(binary) == sources
    assert not [name for name in members(binary) if "test_" in name or name.endswith((".toml", ".lock", "noxfile.py"))]

    record = loose.record("loose")
    assert record.keys() == RECORD_KEYS
    assert (record["name"], record["version"]) == ("loose", "1.2.3")
    assert record["sha256"] == digest(binary)
    assert record["size"] == binary.stat().st_size
    assert record["lock-hash"] == digest(loose.root / "poetry.lock")
    assert record["inputs"].keys() >= {"lock", "settings", "sources", "distributions", "tools", "python"}
    assert record["sources"] == {"taken": sources}
    assert [entry["path"] for entry in record["left-out"]] == ["noxfile.py", "templates/", "tests/"]
    assert record["distributions"] == [{"name": "idna", "version": "3.11"}]
    assert record["tools"].keys() >= {"pex", "nox-pex", "poetry"}
    assert all(seconds >= 0 for seconds in record["seconds"].values())

    moved = binary.rename(home / "moved.pex")
    loose.root.rename(loose.root.with_name("gone"))
    report = answer(moved, "--flag", "a b", home=home, env={"SHELL_ONLY": "yes"})
    assert report["arguments"] == ["--flag", "a b"]
    assert report["stock"] == "seven apples"
    assert report["distributions"] == ["idna"]
    assert report["environ"]["SHELL_ONLY"] == "yes"
    assert not [entry for entry in report["path"] if str(loose.root) in entry]


def test_a_packaged_project_with_a_console_script_becomes_a_binary_that_runs_without_the_project(
    project: Callable[[str], Project], home: Path
) -> None:
    cards = project("packaged")
    cards.nox("-s", "pex")
    assert cards.installed() == {"idna-3.11"}
    name = "greeting-cards"
    assert cards.dist().keys() == built_files(name)
    record = cards.record(name)
    assert record.keys() == RECORD_KEYS
    assert (record["name"], record["version"]) == (name, "0.4.0")
    assert record["sha256"] == digest(cards.binary(name))
    assert record["distributions"] == [{"name": name, "version": "0.4.0"}, {"name": "idna", "version": "3.11"}]
    assert {path for path in record["sources"]["taken"] if ".dist-info" not in path} == {
        "greeting/__init__.py",
        "greeting/words.txt",
    }
    found = {Path(member).parts[1] for member in members(cards.binary(name)) if member.startswith(".deps/")}
    assert found == {"greeting_cards-0.4.0-py3-none-any.whl", "idna-3.11-py3-none-any.whl"}
    assert source_members(cards.binary(name)) == []

    moved = cards.binary(name).rename(home / "greet")
    cards.root.rename(cards.root.with_name("gone"))
    result = launch(moved, "world", home=home)
    assert result.output.splitlines()[-1] == "hello world xn--bcher-kva.example"


def test_no_session_does_the_work_of_a_later_one(project: Callable[[str], Project]) -> None:
    loose = project("loose")
    loose.nox("-s", "install")
    assert loose.installed() == {"idna-3.11"}
    assert not (loose.root / "dist").exists()
    loose.nox("-s", "freeze")
    assert loose.dist().keys() == {"loose.requirements.txt", "pylock.loose.toml"}


def test_pip_installs_from_the_frozen_file_with_its_hashes(built: Callable[[str], Project], tmp_path: Path) -> None:
    loose = built("loose")
    requirements = loose.root / "dist" / "loose.requirements.txt"
    hashes = set(re.findall(r"--hash=(sha256:[0-9a-f]{64})", requirements.read_text("utf-8")))
    assert len(hashes) == 2
    assert hashes < locked_hashes(loose)
    assert installed_by_pip(requirements, tmp_path) == {"idna-3.11"}


def test_a_path_dependency_is_pinned_by_its_content(
    built: Callable[[str], Project], tmp_path: Path, home: Path
) -> None:
    reader = built("path_dependency")
    frozen = (reader.root / "dist" / "reader.requirements.txt").read_text("utf-8")
    direct = reader.root / "dist" / "reader.requirements-direct.txt"
    assert [line for line in frozen.splitlines() if line.endswith("#   shelf @ shelf")]
    assert re.search(r"^shelf @ shelf \\\n    --hash=sha256:[0-9a-f]{64}$", direct.read_text("utf-8"), re.MULTILINE)
    assert installed_by_pip(reader.root / "dist" / "reader.requirements.txt", tmp_path) == set()
    assert not [name for name in members(reader.binary("reader")) if name.endswith("direct_url.json")]
    assert launch(reader.binary("reader"), home=home).output == "twelve books\n"

    before = direct.read_text("utf-8")
    reader.edit("shelf/src/shelf/__init__.py", "twelve", "thirteen")
    result = reader.nox("-s", "pex")
    assert result.said("install: shelf changed")
    assert direct.read_text("utf-8") != before
    assert launch(reader.binary("reader"), home=home).output == "thirteen books\n"


def test_an_editable_path_dependency_ships_as_a_wheel(built: Callable[[str], Project], home: Path) -> None:
    reader = built("path_dependency")
    reader.edit("pyproject.toml", "develop = false", "develop = true")
    reader.edit("poetry.lock", "develop = false", "develop = true")
    reader.relock()
    reader.nox("-s", "pex")
    assert "shelf" in {found["name"] for found in reader.record("reader")["distributions"]}
    moved = reader.binary("reader").rename(home / "reader.pex")
    reader.root.rename(reader.root.with_name("gone"))
    assert launch(moved, home=home).output == "twelve books\n"


def test_two_copies_give_the_same_bytes_in_other_circumstances(
    project: Callable[[str], Project], tmp_path: Path, environ: dict[str, str]
) -> None:
    one = project("packaged")
    one.nox("-s", "pex")
    root = copy_fixture_project("packaged", tmp_path / "a much longer path" / "packaged")
    # A new cache, so that pex does everything again. Only the tools are shared.
    other = Project(root=root, environ=environ).with_new_cache(tmp_path / "cold")
    other.write_noxfile()
    circumstances = {
        "TZ": "Pacific/Kiritimati",
        "PYTHONHASHSEED": "7",
        "LC_ALL": "C",
        "SOURCE_DATE_EPOCH": "1700000000",
    }
    before = os.umask(0o077)
    try:
        other.nox("-s", "pex", env=circumstances)
    finally:
        os.umask(before)
    assert digest(one.binary("greeting-cards")) == digest(other.binary("greeting-cards"))
    assert stat.S_IMODE(other.binary("greeting-cards").stat().st_mode) == 0o755


def test_no_path_of_this_machine_is_in_the_binary(built: Callable[[str], Project], shared: Path) -> None:
    for name, binary in (("loose", "loose"), ("packaged", "greeting-cards"), ("path_dependency", "reader")):
        project = built(name)
        with zipfile.ZipFile(project.binary(binary)) as archive:
            contents = {member: archive.read(member) for member in archive.namelist()}
        for path in (shared, project.root, Path(sys.prefix)):
            assert not [member for member, content in contents.items() if os.fsencode(path) in content]


def test_ignored_files_do_not_ship_and_the_commit_is_recorded(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    assert loose.record("loose")["git"] is None
    (loose.root / ".gitignore").write_text("wares/local.txt\n.nox\n__pycache__\n", "utf-8")

    commit = GitRepository(root=loose.root, environ=loose.environ).commit()
    (loose.root / "wares" / "local.txt").write_text("ignored", "utf-8")
    loose.nox("-s", "pex", "--", "--force")
    assert loose.record("loose")["git"] == {"commit": commit, "dirty": False}
    assert "wares/local.txt" not in members(loose.binary("loose"))

    (loose.root / "wares" / "new.txt").write_text("untracked", "utf-8")
    assert loose.nox("-s", "pex").said("rebuilding loose", "wares/new.txt added")
    assert loose.record("loose")["git"]["dirty"] is True
    assert "wares/new.txt" in members(loose.binary("loose"))


def test_each_set_of_groups_has_a_separate_environment(built: Callable[[str], Project], home: Path) -> None:
    loose = built("loose")
    loose.append(
        "pyproject.toml",
        '[tool.nox-pex.binary.server]\nentry-point = "counter:main"\ngroups = ["main", "server"]\nextras = ["ini"]\n',
    )
    result = loose.nox("-s", "pex")
    assert result.said("pex: loose unchanged")
    assert answer(loose.binary("loose"), home=home)["distributions"] == ["idna"]
    assert answer(loose.binary("server"), home=home)["distributions"] == ["h11", "idna", "iniconfig"]
    names = [found["name"] for found in loose.record("server")["distributions"]]
    assert names == ["h11", "idna", "iniconfig"]
    assert "h11==0.16.0" in (loose.root / "dist" / "server.requirements.txt").read_text("utf-8")
    assert loose.installed() == {"idna-3.11"}
    result = loose.nox("-s", "pex", "--", "server")
    assert result.said("pex: server unchanged")
    assert not result.said("pex: loose")


def test_output_dir_is_where_all_files_are_written(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    before = loose.dist()
    loose.edit(
        "pyproject.toml",
        "[tool.nox-pex.binary.loose]",
        '[tool.nox-pex]\noutput-dir = "out/here"\n\n[tool.nox-pex.binary.loose]',
    )
    loose.nox("-s", "pex")
    assert {path.name for path in (loose.root / "out" / "here").iterdir()} == before.keys()
    assert loose.dist() == before


def test_pex_info_has_pinned_requirements_and_no_address(built: Callable[[str], Project]) -> None:
    assert pex_info(built("loose").binary("loose"))["requirements"] == ["idna==3.11"]
    assert pex_info(built("path_dependency").binary("reader"))["requirements"] == ["shelf==2.0.0"]
