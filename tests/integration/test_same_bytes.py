"""A fast build gives the bytes of a build from scratch: for each shape of a binary, after each kind of change.

Each scenario is one project, in which a change is made before each `yield` of its name. After each of them, all
binaries are built with the caches that the builds before left, and compared with those of a fresh checkout that pex
alone builds with empty caches.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from msgspec.structs import replace

from tests.support import odd_wheels as odd
from tests.support.changing_project import ChangingProject
from tests.support.commands import HANGS_AFTER
from tests.support.same_bytes import Oracle
from tests.support.target_platforms import THIS, describe, on_aarch64
from tests.support.warm.tools import COLD

Step: TypeAlias = "str | tuple[str, ...]"
"""The name of a change, perhaps with the names of the only binaries to compare."""

Scenario: TypeAlias = Callable[[ChangingProject], Iterator[Step]]

SHOP = {"entry-point": "shop.main:main"}


def write_loose(project: ChangingProject) -> None:
    """Write a project with loose sources."""
    project.write("shop/__init__.py", "")
    project.write("shop/main.py", "def main():\n    print('shop')\n")
    project.write("shop/data/stock.txt", "seven apples\n" * 1000)
    project.write("shop/run.sh", "#!/bin/sh\n", executable=True)
    project.write("errand.py", "print('errand')\n")


def write_package(project: ChangingProject) -> None:
    """Write a project that is a package, with a `src` directory."""
    project.poetry = {
        "packages": [{"include": "greeter", "from": "src"}],
        "scripts": {"greet-file": {"reference": "bin/greet.sh", "type": "file"}},
    }
    project.project |= {"scripts": {"greet": "greeter.main:main"}}
    project.write("src/greeter/__init__.py", "")
    project.write("src/greeter/main.py", "def main():\n    print('hello')\n")
    project.write("src/greeter/data.txt", "data\n" * 1000)
    project.write("bin/greet.sh", "#!/bin/sh\necho hello\n", executable=True)
    project.write("extra/included.txt", "included\n")


SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "stored": {"compress": False, "sh-boot": False},
    "packed": {"layout": "packed"},
    "packed-stored": {"layout": "packed", "compress": False, "pre-install-wheels": False},
    "loose": {"layout": "loose", "execution-mode": "zipapp"},
    "wheels": {"pre-install-wheels": False, "execution-mode": "zipapp", "sh-boot": False},
    "compiled": {"compile": True},
}


def edits_of_loose_sources(project: ChangingProject) -> Iterator[Step]:
    write_loose(project)
    project.binaries = {name: {**SHOP, **shape} for name, shape in SHAPES.items()}
    project.binaries["file"] = {"executable": "errand.py"}
    project.ship(odd.plain(), odd.tools(), odd.ODD_FILES)
    project.save()
    yield "first build"
    project.append("shop/main.py", "# a comment\n")
    project.append("errand.py", "# a comment\n")
    project.write("shop/data/new.txt", "new\n")
    project.write("shop/deep/deeper/na\xefve.txt", "\xe9" * 70_000)
    project.write("shop/empty.txt", "")
    project.remove("shop/data/stock.txt")
    project.write("shop/run.sh", "#!/bin/sh\n", executable=False)
    project.write("shop/main.py", (project.root / "shop/main.py").read_bytes(), executable=True)
    yield "files edited, added, removed, and made executable or not"
    project.rename("shop/deep", "shop/renamed")
    for name in (
        "_first.py",
        "A.py",
        "PEX_INFO.py",
        "zz.py",
        "shop/.hidden/file.py",
        "shop/!first.py",
        "shop/~last.py",
    ):
        project.write(name, f"NAME = {name!r}\n")
    yield "a directory renamed, files at both ends of the order"
    for name in ("A.py", "zz.py", "shop/~last.py"):
        project.remove(name)
    yield "files at both ends of the order removed", "plain", "wheels"


SETTINGS: dict[str, dict[str, Any]] = {
    "arguments": {"inject-args": ["--a b", "", "$HOME", "'\"", "\xe9"], "inject-python-args": ["-u", "-X", "dev"]},
    "variables": {"inject-env": {"A": "b=c d", "EMPTY": "", "QUOTE": "'\"$X`\\", "LINES": "1\n2", "E": "\xe9"}},
    "zipapp": {"execution-mode": "zipapp", "include-tools": True, "sh-boot": False},
    "zipapp-sh": {"execution-mode": "zipapp", "compress": False},
    "pex-env": {"strip-pex-env": False, "emit-warnings": False, "runtime-pex-root": "~/pex root"},
    "copies": {"venv-copies": True, "venv-site-packages-copies": True, "max-install-jobs": 3},
    "scripts": {"venv-hermetic-scripts": False, "venv-bin-path": "prepend", "check": "none"},
    "constraints": {"interpreter-constraints": ["CPython>=3.8", "PyPy>=3.8"], "venv-bin-path": "append"},
    "shebang": {"sh-boot": False, "python-shebang": "/usr/bin/env -S python3 -s"},
    "validated": {"validate-entry-point": True, "check": "warn"},
    "excluded": {"exclude": ["tools"]},
    "excluded-version": {"exclude": ["plain<1.1"]},
    "options": {"pex-args": ["--inherit-path=fallback", "--jobs", "1"]},
    "included": {"sources": {"include": ["docs/"], "exclude": ["shop/data/"]}},
    "installed": {"pre-install-wheels": True},
}


def settings_one_after_the_other(project: ChangingProject) -> Iterator[Step]:
    write_loose(project)
    project.write("docs/manual.txt", "a manual\n")
    project.binaries = {name: {**SHOP} for name in SETTINGS}
    project.ship(odd.plain(), odd.tools())
    project.save()
    yield "first build", "arguments"
    project.binaries = {name: {**SHOP, **table} for name, table in SETTINGS.items()}
    project.save()
    yield "each binary gets its settings"
    project.append("shop/main.py", "# a comment\n")
    project.ship(odd.plain("1.1"))
    project.save()
    yield (
        "an edit and a bump",
        "variables",
        "zipapp",
        "zipapp-sh",
        "excluded",
        "excluded-version",
        "options",
        "included",
    )
    names = [*SETTINGS]
    project.binaries = {
        name: {**SHOP, **SETTINGS[other]} for name, other in zip(names, [*names[1:], names[0]], strict=True)
    }
    project.save()
    yield "each binary gets the settings of the next", "arguments", "zipapp", "zipapp-sh", "shebang", "validated"
    project.binaries = {name: {**SHOP} for name in SETTINGS}
    project.binaries["arguments"] = {"script": "serve"}
    project.binaries["zipapp"] = {"script": "rawtool"}
    project.binaries["shebang"] = {"script": "shelltool", "execution-mode": "zipapp"}
    project.binaries["copies"] = {"executable": "errand.py"}
    project.binaries["excluded"] = {"entry-point": "shop.main"}
    project.save()
    yield "another entry, and the defaults", "arguments", "zipapp", "shebang", "copies", "excluded", "included"


def other_distributions(project: ChangingProject) -> Iterator[Step]:
    write_loose(project)
    project.binaries = {
        "plain": {**SHOP},
        "script": {"script": "serve", "execution-mode": "zipapp"},
        "wheels": {**SHOP, "pre-install-wheels": False},
        "packed": {**SHOP, "layout": "packed"},
    }
    project.ship(odd.plain(), odd.tools(), odd.execs(), odd.namespaced("one"))
    project.save()
    yield "first build", "plain", "wheels"
    project.ship(odd.plain("1.1"))
    project.save()
    yield "one distribution bumped"
    project.ship(odd.plain("2.0"), odd.tools("1.1"))
    project.leave_out("execs")
    project.save()
    yield "two bumped, one removed: the script starts another function", "script", "plain"
    project.ship(odd.ODD_FILES, odd.BYTECODE, odd.PLATFORM, odd.LOCAL, odd.SCRIPTS_ONLY)
    project.save()
    yield "added, with everything odd"
    project.ship(odd.namespaced("one", "1.1"), odd.namespaced("two"), odd.PRE, odd.from_sdist())
    project.save()
    yield "a namespace, a pre-release, an sdist"
    project.ship(odd.LAUNCH, odd.plain("1.0"), odd.from_sdist("1.1"))
    project.save()
    yield "a downgrade; a script with a module that is not there", "plain", "wheels"
    project.ship(odd.LAUNCH_SUB, odd.plain("1.0", "published again"))
    project.save()
    yield "another distribution brings the module; the same version published again", "plain", "wheels", "packed"
    project.leave_out("launch-sub", "odd-files", "bytecode")
    project.save()
    yield "the module is gone again", "plain"
    project.groups = {"server": {"crowd": odd.crowd()}}
    project.extras = {"more": {"twin-a": odd.twin("a")}}
    project.binaries["plain"] |= {"groups": ["main", "server"]}
    project.binaries["wheels"] |= {"extras": ["more"]}
    project.save()
    yield "a group for one binary, an extra for another", "plain", "wheels", "script"
    project.groups = {"server": {"crowd": odd.crowd("1.1")}}
    project.extras = {"more": {"twin-a": odd.twin("a"), "twin-b": odd.twin("b")}}
    project.save()
    yield "the group bumped, the extra with two distributions that share files", "plain", "wheels"
    project.extras = {"more": {"twin-b": odd.twin("b", "1.1")}}
    project.save()
    yield "only the other one of them", "wheels"


def a_package(project: ChangingProject) -> Iterator[Step]:
    write_package(project)
    include = {"sources": {"include": ["extra/"]}}
    project.binaries = {
        "greeter": {"script": "greet"},
        "stored": {"script": "greet", "compress": False, "execution-mode": "zipapp"},
        "wheels": {"entry-point": "greeter.main", "pre-install-wheels": False},
        "packed": {"entry-point": "greeter.main:main", "layout": "packed", **include},
        "file": {"script": "greet.sh", **include},
    }
    project.ship(odd.plain(), odd.tools())
    project.save()
    yield "first build"
    project.append("src/greeter/main.py", "# a comment\n")
    project.append("extra/included.txt", "a line\n")
    yield "an edit"
    project.write("src/greeter/new/module.py", "")
    project.write("src/greeter/data.txt", "other data\n", executable=True)
    project.append("bin/greet.sh", "# a comment\n")
    yield "a new module, another permission", "greeter", "wheels", "file"
    project.project |= {"version": "1.1", "description": "greets"}
    project.save()
    yield "another version and other metadata", "greeter", "packed"
    project.project |= {"scripts": {"greet": "greeter:greet", "other": "greeter.main:main"}}
    project.write("src/greeter/__init__.py", "def greet(): ...\n")
    project.ship(odd.plain("1.1"), odd.execs())
    project.save()
    yield "the script starts something else, another script, another requirement, a bump", "greeter", "stored", "file"
    project.remove("src/greeter/new")
    project.rename("src/greeter/data.txt", "src/greeter/stock.txt")
    project.leave_out("execs")
    project.save()
    yield "a module removed, a file renamed, a requirement less", "greeter", "wheels"
    project.append("src/greeter/main.py", "# a second comment\n")
    yield "an edit of that", "greeter", "stored"
    project.poetry = {"package-mode": False}
    project.project = {"name": "greeter", "version": "1.1"}
    project.binaries = {"greeter": {"entry-point": "greeter.main:main", "sources": {"root": "src"}}}
    project.save()
    yield "no package any more"


def metadata_that_pex_does_not_accept(project: ChangingProject) -> Iterator[Step]:
    write_package(project)
    project.binaries = {"plain": {"script": "greet"}, "wheels": {"script": "greet", "pre-install-wheels": False}}
    project.ship(odd.plain("1.1"))
    project.save()
    yield "first build", "plain"
    project.ship(odd.bad_metadata())
    project.save()
    yield "metadata to rewrite"
    project.ship(odd.demanding("plain<1.0"), odd.bad_metadata("1.1"))
    project.save()
    yield "a requirement of another version", "plain"
    project.ship(odd.demanding("plain<2.0"))
    project.save()
    yield "which the same version may satisfy", "plain"
    project.ship(odd.plain("2.0"))
    project.save()
    yield "and a bump does not", "plain", "wheels"
    project.ship(odd.demanding("absent>=1"))
    project.save()
    yield "a requirement that is missing", "plain", "wheels"
    project.leave_out("bad-metadata", "demanding")
    project.save()
    yield "nothing of that", "plain"


def path_dependencies(project: ChangingProject) -> Iterator[Step]:
    write_loose(project)
    project.binaries = {"plain": {**SHOP}, "wheels": {**SHOP, "pre-install-wheels": False}}
    for library in ("shelf", "desk"):
        for name, content in odd.library(library, "TEXT = 1\n").items():
            project.write(f"libraries/{library}/{name}", content)
    wheel = odd.execs()
    project.write(f"libraries/{wheel.file_name}", wheel.content())
    project.ship(odd.plain())
    project.depend_on_path("shelf", "libraries/shelf")
    project.depend_on_path("execs", f"libraries/{wheel.file_name}")
    project.save()
    yield "first build"
    project.append("libraries/shelf/shelf.py", "TEXT = 2\n")
    yield "the path dependency edited", "plain"
    project.depend_on_path("desk", "libraries/desk", develop=True)
    project.ship(odd.plain("1.1"))
    project.save()
    yield "an editable one added, another bumped"
    project.append("libraries/desk/desk.py", "TEXT = 2\n")
    yield "the editable one edited", "plain"


def two_platforms(project: ChangingProject) -> Iterator[Step]:
    write_loose(project)
    here = describe(THIS)
    for name, description in (("here", here), ("arm", on_aarch64(here))):
        project.write(f"platforms/{name}.json", json.dumps(description))
    both = {**SHOP, "complete-platforms": ["platforms/here.json", "platforms/arm.json"]}
    project.binaries = {"both": both, "wheels": {**both, "pre-install-wheels": False}}
    project.ship(odd.plain(), odd.tools(), odd.execs(), odd.demanding("plain<1.0"))
    project.save()
    yield "first build"
    project.append("shop/main.py", "# a comment\n")
    yield "an edit", "both"
    project.ship(odd.plain("2.0"), odd.LAUNCH)
    project.leave_out("execs")
    project.save()
    yield "a bump, a removal"


def permissions_alone(project: ChangingProject) -> Iterator[Step]:
    write_loose(project)
    project.binaries = {"plain": {**SHOP}, "wheels": {**SHOP, "pre-install-wheels": False}}
    project.ship(odd.execs())
    project.save()
    yield "first build"
    project.leave_out("execs")
    project.save()
    yield "removed"
    project.ship(odd.execs("plain"))
    project.save()
    yield "the same name, version and RECORD, but no file is executable"


SCENARIOS = (
    edits_of_loose_sources,
    settings_one_after_the_other,
    other_distributions,
    a_package,
    metadata_that_pex_does_not_accept,
    path_dependencies,
    two_platforms,
    permissions_alone,
)


@pytest.fixture(scope="module")
def index() -> Iterator[str]:
    """The address of an index with every odd distribution."""
    with odd.served() as url:
        yield url


@pytest.fixture
def oracle(tmp_path: Path, environ: dict[str, str], index: str) -> Oracle:
    """An oracle for a new project, with the caches of `tmp_path`."""
    return Oracle.of(tmp_path, environ=environ, index=index)


@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_each_build_gives_the_bytes_of_a_build_from_scratch(scenario: Scenario, oracle: Oracle) -> None:
    for step in scenario(oracle.project):
        name, *only = (step,) if isinstance(step, str) else step
        oracle.check(name, only=tuple(only))


def flip(content: bytes) -> bytes:
    """Another content of the same length."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def cut(content: bytes) -> bytes:
    """The first half of a content."""
    return content[: len(content) // 2]


def cached_files(directory: Path) -> list[Path]:
    return [
        path
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not path.is_symlink() and path.stat().st_size
    ]


def replace_content(path: Path, content: bytes) -> None:
    """Put another file in the place of `path`: other places may share the old one."""
    mode = path.stat().st_mode
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode)


def flip_all(directory: Path) -> None:
    for path in cached_files(directory):
        replace_content(path, flip(path.read_bytes()))


def cut_all(directory: Path) -> None:
    for path in cached_files(directory):
        replace_content(path, cut(path.read_bytes()))


def exchange_all(directory: Path) -> None:
    """Give each file the content of another one with the same ending."""
    kinds: dict[str, list[Path]] = {}
    for path in cached_files(directory):
        kinds.setdefault(path.suffix, []).append(path)
    for files in kinds.values():
        contents = [path.read_bytes() for path in files]
        for path, content in zip(files, [*contents[1:], contents[0]], strict=True):
            replace_content(path, content)


@pytest.mark.long
def test_what_is_damaged_in_the_cache_gets_into_no_binary(oracle: Oracle, tmp_path: Path) -> None:
    """The cache of pex is left as it is: pex finds files in it by name."""
    project = oracle.project
    write_loose(project)
    project.binaries = {"plain": {**SHOP}, "wheels": {**SHOP, "pre-install-wheels": False}}
    project.ship(odd.plain(), odd.tools(), odd.namespaced("one"))
    project.save()
    oracle.check("first build", only=("plain",))
    parts = [path for path in (tmp_path / "cache").iterdir() if path.is_dir() and path.name not in ("tools", "pex")]
    for number, harm in enumerate((flip_all, cut_all, exchange_all)):
        for part in parts:
            harm(part)
        project.binaries = {key: {**table, "inject-env": {"N": str(number)}} for key, table in project.binaries.items()}
        project.save()
        oracle.check(f"{harm.__name__}, and a setting", only=("plain",))
        for part in parts:
            harm(part)
        project.ship(odd.plain("1.1" if number % 2 == 0 else "1.0"))
        project.save()
        oracle.check(f"{harm.__name__}, and a bump")


@pytest.mark.long
def test_builds_at_once_and_killed_builds_leave_nothing_wrong(oracle: Oracle) -> None:
    project = oracle.project
    write_loose(project)
    project.binaries = {"plain": {**SHOP}, "packed": {**SHOP, "layout": "packed"}}
    project.ship(odd.plain(), odd.tools())
    project.save()
    with oracle.started() as first, oracle.started() as second:
        assert [first.wait(HANGS_AFTER), second.wait(HANGS_AFTER)] == [0, 0]
    oracle.check("two first builds at once", only=("plain",))
    for number in range(4):
        project.ship(odd.plain("1.1" if number % 2 == 0 else "1.0"), odd.crowd(f"1.{number % 2}"))
        project.append("shop/main.py", f"# {number}\n")
        project.save()
        with oracle.started() as process, contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5 + number)
        oracle.check(f"a build killed after {0.5 + number} s", only=("plain",))


def test_a_version_that_was_published_again_is_what_ships(oracle: Oracle) -> None:
    """Here all tools start cold and know nothing, as for a user. In the other tests that would take minutes."""
    oracle = replace(oracle, pythons=None, environ={**oracle.environ, **COLD})
    project = oracle.project
    write_loose(project)
    project.binaries = {"plain": {**SHOP}}
    project.ship(odd.plain())
    project.save()
    oracle.check("first build", install_again=True)
    project.ship(odd.plain("1.0", "published again"))
    project.save()
    oracle.check("the same version with another file", install_again=True)
