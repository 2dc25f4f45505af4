"""Wheels for another platform: from every kind of lock and source, and the errors of these sources."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.binaries import launch
from tests.support.distribution_files import C_EXTENSION, write_sdist, write_wheel
from tests.support.file_server import serve_files
from tests.support.git_repository import GitRepository
from tests.support.interpreters import pythons
from tests.support.locker import Locker
from tests.support.nox_project import Project
from tests.support.package_index import write_simple_index
from tests.support.poetry_package import package_files
from tests.support.target_platforms import OTHER, THIS, OnlyPython, describe, on_aarch64, set_platforms

pytestmark = pytest.mark.skipif(OTHER is None, reason="needs another Python, from pyenv or on PATH")

Make = Callable[[str], Project]
WriteProject = Callable[..., Project]
THERE = OTHER or ""
LOGIN = "joe:hunter2-is-secret"
GIVEN = {"POETRY_HTTP_BASIC_PRIVATE_USERNAME": "joe", "POETRY_HTTP_BASIC_PRIVATE_PASSWORD": "hunter2-is-secret"}
MAIN = """\
from importlib.metadata import distributions


def main() -> None:
    print(*sorted(f"{found.metadata['Name']} {found.version}" for found in distributions()))
"""


def application(url: str, dependencies: str) -> dict[str, str]:
    """The files of a project that prints its distributions, with a private index."""
    return {
        "pyproject.toml": (
            '[tool.poetry]\nname = "app"\npackage-mode = false\n\n'
            f'[tool.poetry.dependencies]\npython = ">=3.10"\n{dependencies}\n\n'
            f'[[tool.poetry.source]]\nname = "private"\nurl = "{url}/simple/"\npriority = "explicit"\n\n'
            '[tool.nox-pex.binary.app]\nentry-point = "main:main"\ncomplete-platforms = []\n'
        ),
        "main.py": MAIN,
    }


def private(name: str) -> str:
    """A dependency that only the private index has."""
    return f'{name} = {{ version = "1.0", source = "private" }}'


def test_every_distribution_without_a_fitting_wheel_is_named_and_nothing_is_fetched(
    write_project: WriteProject, lock: Locker, tmp_path: Path
) -> None:
    directory = tmp_path / "distributions"
    compiled = write_wheel(directory, "compiled", {"compiled.py": ""})
    compiled = compiled.rename(directory / f"compiled-1.0-cp{THERE.replace('.', '')}-none-manylinux_2_17_x86_64.whl")
    files = (
        write_wheel(directory, "pure", {"pure.py": ""}),
        compiled,
        *(
            write_sdist(directory, name, {"pyproject.toml": f'[project]\nname = "{name}"\nversion = "1.0"\n'})
            for name in ("one", "two")
        ),
    )
    with serve_files(write_simple_index(tmp_path / "index", *files)) as served:
        dependencies = [private(name) for name in ("pure", "compiled", "one", "two")]
        app = write_project("app", application(served.url, "\n".join([*dependencies, 'answer = { path = "answer" }'])))
        for name, text in C_EXTENSION.items():
            (app.root / "answer").mkdir(exist_ok=True)
            (app.root / "answer" / name).write_text(text, "utf-8")
        lock(app)
        set_platforms(app, {"there": describe(THERE), "arm": on_aarch64(describe(THERE))})
        served.requests.clear()
        line = app.refused("no-wheel", "-s", "pex")
        assert served.requests == []
    assert "for platforms/there.json and platforms/arm.json of one 1.0 (only an sdist), two 1.0 (only an sdist)" in line
    assert "answer 1.0 (its build compiles code: answer-1.0-cp3" in line
    assert "for platforms/arm.json of compiled 1.0 (1 wheel, none compatible)" in line
    assert "pure" not in line


@pytest.mark.long
def test_a_private_source_with_a_password_and_its_errors(
    write_project: WriteProject, lock: Locker, only_python: OnlyPython, tmp_path: Path, home: Path
) -> None:
    wheel = write_wheel(tmp_path / "wheels", "inner", {"inner.py": "TEXT = 'inner'\n"})
    with serve_files(write_simple_index(tmp_path / "index", wheel), login=LOGIN) as served:
        app = write_project("app", application(served.url, private("inner")))
        lock(app, env=GIVEN)
        set_platforms(app, {"there": describe(THERE)})
        page = served.root / "simple" / "inner" / "index.html"
        file, listed = page.parent / wheel.name, page.read_text("utf-8")

        wrong = {**GIVEN, "POETRY_HTTP_BASIC_PRIVATE_PASSWORD": "not-the-password"}
        assert "not-the-password" not in app.refused("index-auth", "-v", "-s", "pex", env=wrong)
        page.write_text("", "utf-8")
        cold = {**GIVEN, "POETRY_CACHE_DIR": str(tmp_path / "cold")}
        assert "inner" in app.refused("index-missing", "-s", "pex", env=cold)
        page.write_text(listed, "utf-8")
        shutil.copyfile(write_wheel(tmp_path / "other", "inner", {"inner.py": "TEXT = 'another'\n"}), file)
        assert "inner-1.0-py3-none-any.whl" in app.refused("hash-mismatch", "-s", "pex", env=GIVEN)
        shutil.copyfile(wheel, file)

        result = app.nox("-v", "-s", "pex", "verify", env=GIVEN)
        assert "hunter2" not in result.output
        assert result.said("integrity", "passed")
        assert launch(app.binary("app"), home=home, env=only_python(THERE)).output == "inner 1.0\n"
        cached = list((app.cache / "wheels").rglob(wheel.name))
        assert [path.read_bytes() for path in cached] == [wheel.read_bytes()]

    # The index is gone. The cached wheel is used, unless it was changed.
    app.nox("-s", "pex", "--", "--force")
    cached[0].write_bytes(b"spoiled")
    app.refused("index-unreachable", "-s", "pex", "--", "--force")


@pytest.mark.long
def test_each_python_gets_its_locked_version_although_others_require_any_version(
    write_project: WriteProject, lock: Locker, only_python: OnlyPython, tmp_path: Path, home: Path
) -> None:
    wheels = tmp_path / "wheels"
    files = (
        write_wheel(wheels, "pack", {"pack.py": ""}),
        write_wheel(wheels, "pack", {"pack.py": ""}, version="2.0"),
        write_wheel(wheels, "aaa", {"aaa.py": ""}, requires=("pack",)),
    )
    with serve_files(write_simple_index(tmp_path / "index", *files)) as served:
        split = f'pack = [{{ version = "1.0", python = "<{THERE}", source = "private" }}, '
        split += f'{{ version = "2.0", python = ">={THERE}", source = "private" }}]'
        app = write_project("app", application(served.url, f"{private('aaa')}\n{split}"))
        lock(app)
        set_platforms(app, {"there": describe(THERE), "here": describe(THIS)})
        result = app.nox("-s", "verify")
    assert result.said("closure", "passed"), result.output
    for minor, version in ((THIS, "1.0"), (THERE, "2.0")):
        (separate_home := home / minor).mkdir()
        result = launch(app.binary("app"), home=separate_home, env=only_python(minor))
        assert result.output == f"aaa 1.0 pack {version}\n"
    assert [found["version"] for found in app.record("app")["distributions"]] == ["1.0", "1.0", "2.0"]


@pytest.mark.long
def test_dependencies_from_a_directory_and_from_git_are_built_for_the_target(
    write_project: WriteProject, lock: Locker, only_python: OnlyPython, tmp_path: Path, home: Path
) -> None:
    (origin := tmp_path / "remote").mkdir()
    remote = GitRepository(root=origin, environ=lock.environ)
    remote.commit(package_files("cloned", "cloned"))
    inner = 'inner = { path = "inner", develop = true }\n'
    app = write_project(
        "app",
        {
            **application("http://127.0.0.1:1", f'{inner}cloned = {{ git = "file://{remote.root}" }}'),
            **package_files("inner", "inner", below="inner/"),
        },
    )
    lock(app)
    set_platforms(app, {"there": describe(THERE)})
    result = app.nox("-s", "verify")
    assert result.said("leaks", "passed"), result.output
    assert launch(app.binary("app"), home=home, env=only_python(THERE)).output == "cloned 1.0 inner 1.0\n"
    (app.root / "inner" / "inner.py").write_text("TEXT = 'edited'\n", "utf-8")
    assert app.nox("-s", "pex").said("rebuilding app", "inner")


@pytest.mark.parametrize("poetry", ["pinned", "1.8.5"])
def test_a_lock_of_version_1_1_works_for_a_target(
    project: Make, only_python: OnlyPython, home: Path, poetry: str
) -> None:
    jotter = project("lock_1_1")
    jotter.edit("pyproject.toml", "[tool.nox-pex.binary.jot]\n", "[tool.nox-pex.binary.jot]\ncomplete-platforms = []\n")
    if poetry != "pinned":
        jotter.append("pyproject.toml", f'\n[tool.nox-pex]\npoetry-version = "{poetry}"\n')
    set_platforms(jotter, {"there": describe(THERE)})
    jotter.nox("-s", "verify")
    distributions = ["h11==0.16.0", "idna==3.11", "jotter==0.3.0", "tabulate==0.9.0"]
    assert (
        launch(jotter.binary("jot"), "x", home=home, env=only_python(THERE)).output
        == f"0.3.0 {' '.join(distributions)} x\n"
    )


def test_a_server_with_compiled_dependencies_and_a_lock_of_version_2_0_passes_its_smoke_test(project: Make) -> None:
    standard = project("standard")
    standard.edit(
        "pyproject.toml",
        "[tool.nox-pex.binary.standard]\n",
        "[tool.nox-pex.binary.standard]\ncomplete-platforms = []\n",
    )
    set_platforms(standard, {"there": describe(THERE)})
    path = {"PATH": f"{standard.environ['PATH']}:{pythons()[THERE].parent}"}
    result = standard.nox("-s", "smoke", "--", "standard", env=path)
    assert result.said("warm", "1 of 1"), result.output
    names = {found["name"] for found in standard.record("standard")["distributions"]}
    assert {"uvicorn", "uvloop", "httptools", "watchfiles", "websockets", "python-dotenv", "pyyaml"} <= names
    assert not {"iniconfig", "tabulate", "colorama"} & names
