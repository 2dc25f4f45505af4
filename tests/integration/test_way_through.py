"""From the lock to a binary: what each session leaves, and that it is true."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.binaries import answer, launch, members, pex_info, source_members
from tests.support.commands import clean_environ, run
from tests.support.nox_project import Project, copy_fixture_project

pytestmark = pytest.mark.integration

Make = Callable[[str], Project]

RECORD_KEYS = {
    *("name", "version", "sha256", "size", "inputs", "lock-hash", "python", "platform", "tools", "git", "sources"),
    *("distributions", "seconds"),
}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def installed_by_pip(requirements: Path, into: Path) -> set[str]:
    """What the real pip installs from a frozen file, into a directory of its own."""
    environment, target = into / "environment", into / "target"
    subprocess.run([sys.executable, "-m", "virtualenv", "--quiet", "--no-periodic-update", environment], check=True)
    argv = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--target", str(target)]
    result = run([*argv, "--require-hashes", "--no-deps", "-r", str(requirements)], cwd=into, env=clean_environ())
    assert result.status == 0, result.output
    return {path.name.removesuffix(".dist-info") for path in target.glob("*.dist-info")}


def locked_hashes(project: Project) -> set[str]:
    return set(re.findall(r'hash = "(sha256:[0-9a-f]{64})"', (project.root / "poetry.lock").read_text("utf-8")))


def test_a_project_of_loose_sources(project: Callable[[str], Project], home: Path) -> None:
    loose = project("loose")
    result = loose.nox("-s", "pex")
    assert loose.installed() == {"idna-3.11"}
    assert loose.dist().keys() == {"loose.pex", "loose.pex.json", "loose.requirements.txt"}
    assert result.said("left out: templates/", 'sources.include = ["templates/"]')

    binary = loose.binary("loose")
    assert stat.S_IMODE(binary.stat().st_mode) == 0o755
    sources = ["counter.py", "errand.py", "wares/__init__.py", "wares/stock.txt"]
    assert source_members(binary) == sources
    assert not [name for name in members(binary) if "test_" in name or name.endswith((".toml", ".lock", "noxfile.py"))]

    record = loose.record("loose")
    assert record.keys() == RECORD_KEYS
    assert (record["name"], record["version"]) == ("loose", "1.2.3")
    assert record["sha256"] == sha256(binary)
    assert record["size"] == binary.stat().st_size
    assert record["lock-hash"] == sha256(loose.root / "poetry.lock")
    assert record["inputs"].keys() >= {"lock", "settings", "sources", "distributions", "tools", "python"}
    assert record["sources"] == {"taken": sources, "left-out": ["templates/"]}
    assert record["distributions"] == [{"name": "idna", "version": "3.11"}]
    assert record["tools"].keys() >= {"pex", "nox-pex", "poetry"}
    assert all(seconds >= 0 for seconds in record["seconds"].values())

    moved = binary.rename(home / "elsewhere.pex")
    loose.root.rename(loose.root.with_name("gone"))
    report = answer(moved, "--flag", "a b", home=home, env={"SHELL_ONLY": "yes"})
    assert report["arguments"] == ["--flag", "a b"]
    assert report["stock"] == "seven apples"
    assert report["distributions"] == ["idna"]
    assert report["environ"]["SHELL_ONLY"] == "yes"
    assert not [entry for entry in report["path"] if str(loose.root) in entry]


def test_a_packaged_project_with_a_console_script(project: Callable[[str], Project], home: Path) -> None:
    cards = project("packaged")
    cards.nox("-s", "pex")
    assert cards.installed() == {"idna-3.11"}
    name = "greeting-cards"
    assert cards.dist().keys() == {f"{name}.pex", f"{name}.pex.json", f"{name}.requirements.txt"}
    record = cards.record(name)
    assert record.keys() == RECORD_KEYS
    assert (record["name"], record["version"]) == (name, "0.4.0")
    assert record["sha256"] == sha256(cards.binary(name))
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
    assert loose.dist().keys() == {"loose.requirements.txt"}


def test_pip_accepts_the_frozen_file(built: Callable[[str], Project], tmp_path: Path) -> None:
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


def test_the_same_bytes_wherever_and_however_it_is_built(
    project: Callable[[str], Project], tmp_path: Path, environ: dict[str, str], shared: Path
) -> None:
    one = project("packaged")
    one.nox("-s", "pex")
    other = Project(
        root=copy_fixture_project("packaged", tmp_path / "a much longer path" / "packaged"), environ=environ
    )
    other.write_noxfile()
    bent = {"TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "7", "LC_ALL": "C", "SOURCE_DATE_EPOCH": "1700000000"}
    caches = {"NOX_PEX_CACHE_DIR": str(tmp_path / "cold")}
    (tmp_path / "cold").mkdir()
    (tmp_path / "cold" / "tools").symlink_to(shared / "cache" / "tools")  # other caches of pex, the same tools
    before = os.umask(0o077)
    try:
        other.nox("-s", "pex", env={**bent, **caches})
    finally:
        os.umask(before)
    assert sha256(one.binary("greeting-cards")) == sha256(other.binary("greeting-cards"))
    assert stat.S_IMODE(other.binary("greeting-cards").stat().st_mode) == 0o755


def test_nothing_of_this_machine_is_in_the_binary(built: Callable[[str], Project], shared: Path) -> None:
    for name, binary in (("loose", "loose"), ("packaged", "greeting-cards"), ("path_dependency", "reader")):
        made = built(name)
        with zipfile.ZipFile(made.binary(binary)) as archive:
            contents = {member: archive.read(member) for member in archive.namelist()}
        for path in (shared, made.root, Path(sys.prefix)):
            assert not [member for member, content in contents.items() if os.fsencode(path) in content]


def test_what_git_ignores_does_not_ship_and_the_commit_is_noted(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    assert loose.record("loose")["git"] is None
    author = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org"}
    author |= {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_CONFIG_GLOBAL": os.devnull}
    (loose.root / ".gitignore").write_text("wares/local.txt\n.nox\n__pycache__\n", "utf-8")

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=loose.root, env={**loose.environ, **author}, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "All")
    (loose.root / "wares" / "local.txt").write_text("ignored", "utf-8")
    loose.nox("-s", "pex", "--", "--force")
    assert loose.record("loose")["git"] == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    assert "wares/local.txt" not in members(loose.binary("loose"))

    (loose.root / "wares" / "new.txt").write_text("untracked", "utf-8")
    assert loose.nox("-s", "pex").said("rebuilding loose", "wares/new.txt added")
    assert loose.record("loose")["git"]["dirty"] is True
    assert "wares/new.txt" in members(loose.binary("loose"))


def test_each_set_of_groups_has_its_own_environment(built: Callable[[str], Project], home: Path) -> None:
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


def test_output_dir_moves_all_files(built: Callable[[str], Project]) -> None:
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


def test_pex_info_has_pins_and_no_address(built: Callable[[str], Project]) -> None:
    assert pex_info(built("loose").binary("loose"))["requirements"] == ["idna==3.11"]
    assert pex_info(built("path_dependency").binary("reader"))["requirements"] == ["shelf==2.0.0"]
