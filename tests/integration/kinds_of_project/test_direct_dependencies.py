"""Dependencies that do not come from an index: from a directory, a file, Git or an address."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.binaries import launch, members
from tests.support.commands import clean_environ, run
from tests.support.distribution_files import C_EXTENSION, write_sdist, write_wheel
from tests.support.file_server import serve_files
from tests.support.find_text import find_text
from tests.support.git_repository import GitRepository
from tests.support.locker import Locker
from tests.support.nox_project import Project
from tests.support.poetry_package import package_files

WriteProject = Callable[..., Project]


def application(dependencies: str, *modules: str) -> dict[str, str]:
    """The files of a project that prints the `TEXT` of each module, and the names of all distributions."""
    imports = "".join(f"import {module}\n" for module in modules)
    shown = ", ".join(f"{module}.TEXT" for module in modules)
    return {
        "pyproject.toml": (
            '[tool.poetry]\nname = "application"\npackage-mode = false\n\n'
            f'[tool.poetry.dependencies]\npython = ">=3.10"\n{dependencies}\n'
            '[tool.nox-pex.binary.app]\nentry-point = "main:main"\n'
        ),
        "main.py": (
            f"from importlib.metadata import distributions\n\n{imports}\n\n"
            f"def main() -> None:\n    print({shown})\n"
            '    print(*sorted(found.metadata["Name"] for found in distributions()))\n'
        ),
    }


def assert_pip_accepts(requirements: Path, into: Path) -> None:
    """Let the real pip check a requirements file and its hashes, in an environment that is created in `into`."""
    argv = [sys.executable, "-m", "virtualenv", "--quiet", "--no-periodic-update", str(into / "pip")]
    environ = clean_environ()
    assert run(argv, cwd=into, env=environ).status == 0
    argv = [str(into / "pip" / "bin" / "pip"), "install", "--require-hashes", "--no-deps", "--dry-run"]
    result = run([*argv, "--no-cache-dir", "-r", str(requirements)], cwd=into, env=environ)
    assert result.status == 0, result.output


@pytest.mark.long
def test_directories_and_files_ship_are_frozen_by_their_hashes_and_rebuild_the_binary(
    write_project: WriteProject, lock: Locker, tmp_path: Path, home: Path
) -> None:
    main = application(
        'edited = { path = "edited", develop = true }\n'
        'fixed = { path = "libs/fixed", develop = false }\n'
        'wheeled = { path = "files/wheeled-1.0-py3-none-any.whl" }\n'
        'answer = { path = "files/answer-1.0.tar.gz" }\n'
        'beside = { path = "../beside", develop = true }\n',
        *("edited", "fixed", "wheeled", "deeper", "beside"),
    )
    main["main.py"] = main["main.py"].replace("def main() -> None:", "def main() -> None:\n    print(ANSWER)")
    main["main.py"] = main["main.py"].replace(
        "import wheeled\n", "import wheeled\nfrom answer import ask\n\nANSWER = ask()\n"
    )
    nested = '[tool.poetry.dependencies]\ndeeper = { path = "../deeper" }\n'
    app = write_project(
        "app",
        {
            **main,
            **package_files("edited", "edited", below="edited/"),
            **package_files("fixed", "fixed", below="libs/fixed/", dependencies=nested),
            **package_files("deeper", "deeper", below="libs/deeper/"),
            **package_files("beside", "beside", below="../beside/"),
        },
    )
    write_wheel(app.root / "files", "wheeled", {"wheeled.py": "TEXT = 'wheeled'\n"})
    write_sdist(app.root / "files", "answer", C_EXTENSION)
    lock(app)
    app.nox("-s", "pex")
    moved = app.root.rename(app.root.with_name("moved"))
    assert launch(moved / "dist" / "app.pex", home=home).status == 0
    moved.rename(app.root)
    names = "answer beside deeper edited fixed wheeled"
    said = launch(app.binary("app"), home=home).output.splitlines()
    assert said == ["42", "edited fixed wheeled deeper beside", names]

    frozen = (app.root / "dist" / "app.requirements.txt").read_text("utf-8")
    direct = (app.root / "dist" / "app.requirements-direct.txt").read_text("utf-8")
    assert {line for line in frozen.splitlines() if "#   " in line} == {
        "#   answer @ files/answer-1.0.tar.gz",
        "#   beside @ ../beside",
        "#   deeper @ libs/deeper",
        "#   edited @ edited",
        "#   fixed @ libs/fixed",
        "#   wheeled @ files/wheeled-1.0-py3-none-any.whl",
    }
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", direct)) == 6
    digest = hashlib.sha256((app.root / "files" / "answer-1.0.tar.gz").read_bytes()).hexdigest()
    assert f"answer @ files/answer-1.0.tar.gz \\\n    --hash=sha256:{digest}" in direct
    assert list(find_text(app.binary("app").read_bytes(), "app.pex", str(tmp_path))) == []
    assert app.nox("-s", "pex").said("pex: app unchanged")

    # The same versions with other content.
    for path in ("edited/edited.py", "libs/deeper/deeper.py"):
        app.edit(path, "TEXT = '", "TEXT = 'new ")
    result = app.nox("-s", "pex")
    assert result.said("install: deeper changed, edited changed") or result.said("deeper changed", "edited changed")
    assert launch(app.binary("app"), home=home).output.splitlines()[1] == "new edited fixed wheeled new deeper beside"

    write_wheel(app.root / "files", "wheeled", {"wheeled.py": "TEXT = 'swapped'\n"})
    assert "wheeled" in app.refused("hash-mismatch", "-s", "pex")
    lock(app, "update", "--lock", "wheeled")
    app.nox("-s", "pex")
    assert launch(app.binary("app"), home=home).output.splitlines()[1] == "new edited fixed swapped new deeper beside"


@pytest.mark.parametrize("develop", ["true", "false"])
def test_a_directory_that_setuptools_builds_ships_and_its_build_files_are_no_change(
    write_project: WriteProject, lock: Locker, home: Path, develop: str
) -> None:
    main = application(f'old = {{ path = "old", develop = {develop} }}\n', "old")
    old = {
        "old/setup.py": (
            "from setuptools import setup\n"
            "setup(name='old', version='1.0', packages=['old'], package_dir={'': 'src'},\n"
            "      package_data={'old': ['*.txt']})\n"
        ),
        "old/src/old/__init__.py": (
            "from importlib.resources import files\n\nTEXT = (files('old') / 'data.txt').read_text()\n"
        ),
        "old/src/old/data.txt": "some data",
    }
    app = write_project("app", {**main, **old})
    lock(app)
    app.nox("-s", "pex")
    moved = app.binary("app").rename(home / "app.pex")
    app.root.rename(app.root.with_name("moved"))
    assert launch(moved, home=home).output.splitlines() == ["some data", "old"]
    app.root.with_name("moved").rename(app.root)
    moved.rename(app.binary("app"))
    # The files that the backend left next to the sources do not count as a change.
    result = app.nox("-s", "pex")
    assert result.said("install: unchanged")
    assert result.said("pex: app unchanged")
    (app.root / "old" / "src" / "old" / "data.txt").write_text("other data", "utf-8")
    app.nox("-s", "pex")
    assert launch(app.binary("app"), home=home).output.splitlines()[0] == "other data"


def test_an_ignored_file_of_an_editable_directory_is_never_taken_from_a_cache(
    write_project: WriteProject, lock: Locker, home: Path
) -> None:
    """No digest of the sources covers an ignored file, so a wheel of another checkout must not be reused."""
    setup = (
        "from setuptools import setup\n"
        "setup(name='old', version='1.0', packages=['old'], package_dir={'': 'src'},\n"
        "      package_data={'old': ['*.txt']})\n"
    )
    old = {
        "old/setup.py": setup,
        "old/src/old/__init__.py": (
            "from importlib.resources import files\n\nTEXT = (files('old') / 'made.txt').read_text()\n"
        ),
        ".gitignore": "*.txt\n.nox\ndist\nbuild\n*.egg-info\n",
    }
    app = write_project("app", {**application('old = { path = "old", develop = true }\n', "old"), **old})
    lock(app)
    GitRepository(root=app.root, environ=app.environ).commit()
    for text in ("first", "second"):
        (app.root / "old" / "src" / "old" / "made.txt").write_text(text, "utf-8")
        for directory in (".nox", "dist", "old/build"):
            shutil.rmtree(app.root / directory, ignore_errors=True)
        app.nox("-s", "pex")
        assert launch(app.binary("app"), home=home).output.splitlines()[0] == text


def test_dependencies_from_git_ship_at_the_locked_commit(
    write_project: WriteProject, lock: Locker, environ: dict[str, str], tmp_path: Path, home: Path
) -> None:
    origin = GitRepository(root=tmp_path / "origin", environ=environ)
    origin.root.mkdir()
    commits = {"rev": origin.commit(package_files("by_rev", "rev"))}
    commits["tag"] = origin.commit({**package_files("by_tag", "tag"), "by_rev.py": "TEXT = 'wrong'\n"})
    origin.git("tag", "v1")
    origin.git("checkout", "--quiet", "-b", "feature")
    commits["branch"] = origin.commit({**package_files("by_branch", "branch"), "by_tag.py": "TEXT = 'wrong'\n"})
    origin.git("checkout", "--quiet", "main")
    commits["below"] = origin.commit(package_files("below", "below", below="libs/below/"))
    url = origin.root.as_uri()
    app = write_project(
        "app",
        application(
            f'by-rev = {{ git = "{url}", rev = "{commits["rev"]}" }}\n'
            f'by-tag = {{ git = "{url}", tag = "v1" }}\n'
            f'by-branch = {{ git = "{url}", branch = "feature" }}\n'
            f'below = {{ git = "{url}", subdirectory = "libs/below" }}\n',
            *("by_rev", "by_tag", "by_branch", "below"),
        ),
    )
    lock(app)
    result = app.nox("-s", "pex")
    assert launch(app.binary("app"), home=home).output.splitlines() == [
        "rev tag branch below",
        "below by_branch by_rev by_tag",
    ], result.output
    direct = (app.root / "dist" / "app.requirements-direct.txt").read_text("utf-8")
    (url,) = set(re.findall(r'url = "(file:.*)"', (app.root / "poetry.lock").read_text("utf-8")))  # Poetry's spelling
    assert [line for line in direct.splitlines() if not line.startswith("#")] == [
        f"below @ git+{url}@{commits['below']}#subdirectory=libs/below",
        f"by-branch @ git+{url}@{commits['branch']}",
        f"by-rev @ git+{url}@{commits['rev']}",
        f"by-tag @ git+{url}@{commits['tag']}",
    ]
    # A later commit of the branch does not ship before it is locked.
    before = app.record("app")["sha256"]
    origin.git("checkout", "--quiet", "feature")
    origin.commit({"by_branch.py": "TEXT = 'later'\n"})
    assert app.nox("-s", "pex").said("pex: app unchanged")
    lock(app, "update", "--lock")
    app.nox("-s", "pex")
    assert launch(app.binary("app"), home=home).output.splitlines()[0] == "rev tag later below"
    assert app.record("app")["sha256"] != before


def test_distributions_from_an_address_ship_and_are_frozen_with_their_hashes(
    write_project: WriteProject, lock: Locker, tmp_path: Path, home: Path
) -> None:
    distant = write_wheel(tmp_path / "served", "distant", {"distant.py": "TEXT = 'distant'\n"})
    source = write_sdist(tmp_path / "served", "answer", C_EXTENSION)
    with serve_files(distant.parent) as served:
        files = application(
            f'distant = {{ url = "{served.url}/{distant.name}" }}\nanswer = {{ url = "{served.url}/{source.name}" }}\n',
            "distant",
        )
        app = write_project("app", files)
        lock(app)
        assert app.nox("-s", "pex").said("install: compiled on this machine, because there is no wheel: answer 1.0")
        assert launch(app.binary("app"), home=home).output.splitlines() == ["distant", "answer distant"]
        requirements = app.root / "dist" / "app.requirements.txt"
        text = requirements.read_text("utf-8")
        digest = hashlib.sha256(distant.read_bytes()).hexdigest()
        assert f"distant @ {served.url}/{distant.name} \\\n    --hash=sha256:{digest}\n" in text
        assert_pip_accepts(requirements, tmp_path)
    found = [name for name in members(app.binary("app")) if name.endswith("answer.so") or "answer.cpython" in name]
    assert len(found) == 1
    assert os.fsencode(served.url) not in app.binary("app").read_bytes()
