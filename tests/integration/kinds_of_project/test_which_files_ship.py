"""The files of a project that ship: as Git would commit them, in a checkout, a container and a `src` layout."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.binaries import answer, launch, members, source_members
from tests.support.digests import digest
from tests.support.git_repository import GitRepository
from tests.support.nox_project import Project

Make = Callable[[str], Project]

SMOKE = "\n[[tool.nox-pex.binary.{name}.smoke.command]]\nargs = []\n"

READER = """\
import sys
from pathlib import Path


def main() -> None:
    beside = Path(__file__).parent.parent
    print((beside / "alembic.ini").read_text(), (beside / "idna" / "script.txt").read_text(), *sys.argv[1:])
"""


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")


def suggested(output: str) -> dict[str, Any]:
    """The one table in an output that is to be pasted."""
    (table,) = re.findall(r"^\[tool\.nox-pex\.binary\.\w+\.sources\]\n(?:\w+ = .+\n)+", output, re.MULTILINE)
    found: dict[str, Any] = tomllib.loads(table)
    return found


def left_out(project: Project, name: str) -> dict[str, str]:
    return {entry["path"]: entry["reason"] for entry in project.record(name)["left-out"]}


def test_all_that_a_program_could_import_ships_or_is_named(built: Make, tmp_path: Path, home: Path) -> None:
    loose = built("loose")
    library = GitRepository(root=tmp_path / "library", environ=loose.environ)
    library.root.mkdir()
    library.commit({"__init__.py": "", "part.py": "PART = 1\n", ".gitignore": "*.tmp\n"})
    checkout = GitRepository(root=loose.root, environ=loose.environ)
    write(
        loose.root,
        {
            ".gitignore": "*.log\n/local.py\n.nox\n__pycache__\n/dist/\n",
            "core/setup.py": "",
            "core/mod.py": "",
            "docs/__init__.py": "",
            "build/__init__.py": "",
            "load_test.py": "",
            "wares/test/client.py": "",
            "wares/.well-known/x.txt": "",
            "wares/a.log": "secret",
            "local.py": "PASSWORD = 1\n",
            "libs/shelf/pyproject.toml": "[project]\nname = 'shelf'\n",
            "libs/shelf/shelf.py": "",
        },
    )
    (loose.root / "outside").symlink_to(tmp_path)
    (loose.root / "linked").symlink_to("wares")
    checkout.commit()
    checkout.git("submodule", "--quiet", "add", str(library.root), "sub")
    write(loose.root, {"sub/new.py": "", "sub/a.tmp": ""})

    result = loose.nox("-s", "pex")
    shipped = source_members(loose.binary("loose"))
    own = {"counter.py", "errand.py", "wares/__init__.py", "wares/stock.txt"}
    linked = {"linked/__init__.py", "linked/stock.txt", "linked/test/client.py"}
    more = {"core/setup.py", "core/mod.py", "docs/__init__.py", "build/__init__.py", "load_test.py"}
    assert set(shipped) == own | more | linked | {
        *("wares/test/client.py", "sub/__init__.py", "sub/part.py", "sub/new.py"),
    }
    assert left_out(loose, "loose") == {
        "templates/": "in no package",
        "libs/shelf/": "a separate project",
        "outside": "a link that leads out of the project",
        "local.py": "Git ignores it",
        "wares/a.log": "Git ignores it",
        "sub/a.tmp": "Git ignores it",
        "wares/.well-known/": "hidden",
        "tests/": "tests",
        "noxfile.py": "a file about the project",
    }
    assert result.said("left out too: ", "outside (a link that leads out of the project)", "tests/ (tests)")

    table = suggested(result.output)
    assert table["tool"]["nox-pex"]["binary"]["loose"]["sources"] == {"include": ["templates/"]}
    loose.append("pyproject.toml", '\n[tool.nox-pex.binary.loose.sources]\ninclude = ["templates/", ".well-known/"]\n')
    loose.append("pyproject.toml", SMOKE.format(name="loose"))
    result = loose.nox("-s", "pex", "smoke", "verify")
    assert {"templates/page.html", "wares/.well-known/x.txt"} <= set(source_members(loose.binary("loose")))
    assert not re.search(r"^\[tool", result.output, re.MULTILINE)
    assert answer(loose.binary("loose"), home=home)["said"] == "counter"
    assert loose.nox("-s", "pex").said("pex: loose unchanged")


def test_a_repository_that_git_refuses_is_an_error_with_the_command(built: Make, tmp_path: Path) -> None:
    loose = built("loose")
    loose.append("pyproject.toml", SMOKE.format(name="loose"))
    GitRepository(root=loose.root, environ=loose.environ).commit(
        {".gitignore": "wares/passwords.txt\n.nox\n__pycache__\n/dist/\n"}
    )
    write(loose.root, {"wares/passwords.txt": "secret"})
    loose.nox("-s", "pex")
    head = (loose.root / ".git" / "HEAD").read_text("utf-8")
    (loose.root / ".git" / "HEAD").write_text("nonsense", "utf-8")
    assert "not a git repository" in loose.refused("git", "-s", "pex")
    (loose.root / ".git" / "HEAD").write_text(head, "utf-8")
    without = tmp_path / "bin"
    without.mkdir()
    for program in ("uv", "sh", "env"):
        (without / program).symlink_to(str(shutil.which(program)))
    assert "Git is not installed" in loose.refused("git", "-s", "pex", env={"PATH": str(without)})
    if os.geteuid() == 0:
        for path in (loose.root, *(loose.root / ".git").rglob("*"), loose.root / ".git"):
            os.chown(path, 65534, 65534)
        line = loose.refused("git", "-s", "pex")
        assert f"run `git config --global --add safe.directory {loose.root}`" in line
        trust = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": str(loose.root),
        }
        # The second build of `verify` is in another directory, which nobody has declared safe.
        assert loose.nox("-s", "pex", "verify", env=trust).said("reproducible", "passed")
    shutil.rmtree(loose.root / ".git")
    loose.nox("-s", "pex", "--", "--force")
    assert "wares/passwords.txt" not in members(loose.binary("loose"))
    assert left_out(loose, "loose")["wares/passwords.txt"] == "Git ignores it"


def test_a_src_layout_ships_without_the_name_of_its_directory(built: Make, home: Path) -> None:
    loose = built("loose")
    (loose.root / "src").mkdir()
    for name in ("counter.py", "errand.py", "wares"):
        (loose.root / name).rename(loose.root / "src" / name)
    assert 'set sources.root = "src"' in loose.refused("entry-missing", "-s", "pex")
    loose.add_setting('sources = { root = "src", include = ["templates/"], exclude = ["src/errand.py"] }')
    loose.append("pyproject.toml", SMOKE.format(name="loose"))
    loose.nox("-s", "pex", "smoke", "verify")
    expected = ["counter.py", "templates/page.html", "wares/__init__.py", "wares/stock.txt"]
    assert source_members(loose.binary("loose")) == loose.record("loose")["sources"]["taken"] == expected

    write(loose.root / "src", {"wares/stock.txt": "eight pears\n", "wares/more.py": ""})
    result = loose.nox("-s", "pex")
    assert result.said("rebuilding loose: ", "src/wares/more.py added", "src/wares/stock.txt changed")
    assert answer(loose.binary("loose"), home=home)["stock"] == "eight pears"
    assert "compose" in loose.record("loose")["seconds"]
    incremental = digest(loose.binary("loose"))
    loose.nox("-s", "pex", "--", "--force")
    assert digest(loose.binary("loose")) == incremental
    loose.edit("pyproject.toml", 'root = "src"', 'root = "sources"')
    assert "has no such directory" in loose.refused("source-missing", "-s", "pex")


def test_a_smoke_failure_names_what_was_left_out(built: Make) -> None:
    loose = built("loose")
    loose.append("pyproject.toml", SMOKE.format(name="loose"))
    page = 'print((Path(__file__).parent / "templates/page.html").read_text())'
    loose.edit("counter.py", "import sys\n", f"import sys\nfrom pathlib import Path\n\n{page}\n")
    result = loose.run("-s", "smoke")
    assert result.status != 0
    assert result.said("error[check-failed]", 'the binary lacks templates/ (in no package): add "templates/" to ')
    log = loose.root / "dist" / "loose.smoke.log"
    assert result.said("| FileNotFoundError: [Errno 2] No such file or directory: ", "page.html")
    assert result.said("; dist/loose.smoke.log has all)")
    assert 'counter.py", line ' in log.read_text("utf-8")
    *_, table = re.findall(r"^\[tool\.nox-pex\.binary\.loose\.sources\]\ninclude = .+\n", result.output, re.MULTILINE)
    text = (loose.root / "pyproject.toml").read_text("utf-8")
    (loose.root / "pyproject.toml").write_text(f"{text}\n{table}", "utf-8")
    loose.nox("-s", "smoke")
    assert not log.exists(), "it was the log of a failure"

    loose.edit("counter.py", "import sys\n", "import sys\nimport tests.test_counter\n")
    result = loose.run("-s", "smoke")
    assert result.said("error[check-failed]", 'the binary lacks tests/ (tests): add "tests/" to ')


@pytest.mark.long
def test_a_wheel_gets_files_where_the_package_finds_them(built: Make, home: Path) -> None:
    cards = built("packaged")
    write(
        cards.root,
        {
            "src/greeting/__init__.py": READER,
            "src/greeting/old.txt": "old",
            "alembic.ini": "settings",
            # a directory with the name of a distribution, as `alembic/` has in many projects
            "idna/script.txt": "script",
            "idna/.env": "SECRET=1",
        },
    )
    table = '[tool.nox-pex.binary.greeting-cards]\nscript = "greet"\nexecution-mode = "venv"\n'
    sources = 'sources = {{ include = ["alembic.ini", "{directory}/"], exclude = ["src/greeting/old.txt"] }}\n'
    cards.append("pyproject.toml", table + sources.format(directory="idna") + SMOKE.format(name="greeting-cards"))
    result = cards.nox("-s", "pex", "smoke", "verify")
    assert result.said("pex: added to the wheel: alembic.ini, idna/ (1)")
    taken = cards.record("greeting-cards")["sources"]["taken"]
    assert {name for name in taken if ".dist-info/" not in name} == {
        *("alembic.ini", "greeting/__init__.py", "greeting/words.txt", "idna/script.txt"),
    }
    assert launch(cards.binary("greeting-cards"), "x", home=home).output == "settings script x\n"
    assert cards.nox("-s", "pex").said("pex: greeting-cards unchanged")

    (cards.root / "alembic.ini").write_text("changed", "utf-8")
    assert cards.nox("-s", "pex").said("rebuilding greeting-cards: alembic.ini changed")
    assert "compose" in cards.record("greeting-cards")["seconds"]
    incremental = digest(cards.binary("greeting-cards"))
    cards.nox("-s", "pex", "--", "--force")
    assert digest(cards.binary("greeting-cards")) == incremental

    for setting in ('execution-mode = "zipapp"', 'execution-mode = "venv"\nvenv-site-packages-copies = true'):
        text = (cards.root / "pyproject.toml").read_text("utf-8")
        (cards.root / "pyproject.toml").write_text(re.sub(r"execution-mode = .+\n(venv-.+\n)?", f"{setting}\n", text))
        cards.nox("-s", "smoke")
        assert launch(cards.binary("greeting-cards"), "x", home=home).output == "changed script x\n"

    write(cards.root, {"idna/core.py": ""})
    assert "another distribution in the binary installs that file" in cards.refused("config", "-s", "pex")


def test_a_package_that_misses_a_file_beside_it_is_told_how_to_add_it(built: Make) -> None:
    cards = built("packaged")
    write(cards.root, {"src/greeting/__init__.py": READER, "alembic.ini": "x", "idna/script.txt": "x"})
    cards.append("pyproject.toml", '[tool.nox-pex.binary.greeting-cards]\nscript = "greet"\n')
    cards.append("pyproject.toml", SMOKE.format(name="greeting-cards"))
    result = cards.run("-s", "smoke")
    assert result.said("the binary lacks alembic.ini (not in the project's wheel): add ", "sources.include")
    (table,) = re.findall(r"^\[tool\.nox-pex\.binary\.greeting-cards\.sources\]\n.+\n", result.output, re.MULTILINE)
    cards.append("pyproject.toml", table.replace('"alembic.ini"', '"alembic.ini", "idna/"'))
    cards.nox("-s", "smoke")
