from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nox_pex.project.gitignore import Rules

PATTERNS = (
    *("*", "!*/", "!*.py", "/*", "!/app/", "app/", "!app/x.py", "app/*", "**/x.py", "*.txt", "!x.txt", "/app/deep/"),
    *("deep", "!deep/", "app/**", "!app/deep/**", "x.*", "[a-c]*", "\\#x", "foo/", "!foo", "**/", "deep/**/x.py"),
    *("/deep", "!/*", "*/x.py", "app/deep/*", "!app/deep/x.py", "a**b", "app/ ", "x.py ", "!", "app//x.py", "./app"),
    *("**", "!**/*.py", "[!x]*", "[^x]*.py", "x[.]py", "[[:alpha:]].txt", "x\\.py", "a[", "[]x]*", "[a-", "?.py"),
    *("\\!b", "# c", "x.py\\ ", "app/**/", "**/deep/**", "//x.py", "x//", "\\x.py", "[x-]*", "[\\]x].py", "-[-]"),
    *("***", "*.p[xy]", "[z-a]*", "x.py\r", "!x.py\r", "/", "!/", "x\\", "é*", "[é]*", ".*", "!.h", "[[:no:]]"),
)
FILES = (
    *("x.py", "x.txt", "app/x.py", "app/x.txt", "app/deep/x.py", "app/deep/y/x.py", "app/deep/y/x.txt", "foo"),
    *("lib/foo/x.py", "lib/deep/x.txt", "#x", "app/aab", "!b", "x.py ", "-", "éa", "app/.h/x.txt", "]x", "a\nb"),
)


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def kept(root: Path, top: str = "") -> Iterator[str]:
    """The files that no rule ignores."""
    rules = Rules.of(str(root))
    for entry in os.scandir(root / top):
        name = f"{top}/{entry.name}" if top else entry.name
        if entry.name in {".git", ".gitignore"} or rules.ignore(name, directory=entry.is_dir()):
            continue
        if entry.is_dir():
            yield from kept(root, name)
        else:
            yield name


@pytest.mark.skipif(shutil.which("git") is None, reason="Git is not installed")
@pytest.mark.parametrize("seed", range(4))
def test_the_rules_are_those_of_git(tmp_path: Path, seed: int) -> None:
    write(tmp_path, *FILES)
    environ = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, env=environ, check=True)
    chosen = random.Random(seed)  # noqa: S311  # the same patterns in every run
    for _ in range(25):
        lines, below = chosen.sample(PATTERNS, chosen.randint(1, 5)), chosen.sample(PATTERNS, chosen.randint(0, 3))
        (tmp_path / ".gitignore").write_text("\n".join(lines) + "\n", "utf-8", newline="\n")
        (tmp_path / "app" / ".gitignore").write_text("\n".join(below), "utf-8", newline="\n")
        argv = ["git", "ls-files", "-z", "--others", "--exclude-standard"]
        output = subprocess.run(argv, cwd=tmp_path, env=environ, check=True, capture_output=True).stdout
        expected = {os.fsdecode(name) for name in output.split(b"\0")} - {"", ".gitignore", "app/.gitignore"}
        assert set(kept(tmp_path)) == expected, (lines, below)


def test_files_above_count_unless_they_ignore_the_directory(tmp_path: Path) -> None:
    write(tmp_path, "service/main.py", "service/passwords.txt")
    (tmp_path / ".gitignore").write_text("passwords.txt\n", "utf-8")
    assert set(kept(tmp_path / "service")) == {"main.py"}
    (tmp_path / ".gitignore").write_text("passwords.txt\nservice/\n", "utf-8")
    assert set(kept(tmp_path / "service")) == {"main.py", "passwords.txt"}
    (tmp_path / ".gitignore").write_text("*\n", "utf-8")
    assert set(kept(tmp_path / "service")) == {"main.py", "passwords.txt"}


def test_a_gitignore_is_a_file_in_utf_8_with_or_without_a_mark(tmp_path: Path) -> None:
    write(tmp_path, "é.txt", "main.py", os.fsdecode(b"\xff.txt"))
    (tmp_path / ".gitignore").write_bytes(b"\xef\xbb\xbf\xc3\xa9.txt\n\xff.txt\n")
    assert set(kept(tmp_path)) == {"main.py"}
    (tmp_path / ".gitignore").rename(tmp_path / "rules")
    (tmp_path / ".gitignore").symlink_to("rules")
    assert "é.txt" in set(kept(tmp_path))
    (tmp_path / ".gitignore").unlink()
    (tmp_path / ".gitignore").mkdir()
    assert "é.txt" in set(kept(tmp_path))
