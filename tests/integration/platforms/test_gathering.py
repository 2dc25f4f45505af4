"""What the wheels for a target are taken from: every kind of lock and source, and what goes wrong with them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.kinds.test_direct import package
from tests.integration.platforms.conftest import OTHER, World, aarch64
from tests.support.binaries import launch
from tests.support.distribution_files import C_EXTENSION, write_sdist, write_wheel
from tests.support.file_server import serve_files
from tests.support.git_repository import GitRepository
from tests.support.interpreters import pythons
from tests.support.locker import Locker
from tests.support.nox_project import Project
from tests.support.package_index import write_simple_index

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(OTHER is None, reason="needs another Python, from pyenv or on PATH"),
]

Make = Callable[[str], Project]
Written = Callable[..., Project]
THERE = OTHER or ""
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
LOGIN = "joe:hunter2-is-secret"
GIVEN = {"POETRY_HTTP_BASIC_PRIVATE_USERNAME": "joe", "POETRY_HTTP_BASIC_PRIVATE_PASSWORD": "hunter2-is-secret"}
SHOWN = """\
from importlib.metadata import distributions


def main() -> None:
    print(*sorted(f"{found.metadata['Name']} {found.version}" for found in distributions()))
"""


def application(url: str, dependencies: str) -> dict[str, str]:
    """A project that prints what it has, with an index of its own."""
    return {
        "pyproject.toml": (
            '[tool.poetry]\nname = "app"\npackage-mode = false\n\n'
            f'[tool.poetry.dependencies]\npython = ">=3.10"\n{dependencies}\n\n'
            f'[[tool.poetry.source]]\nname = "private"\nurl = "{url}/simple/"\npriority = "explicit"\n\n'
            '[tool.nox-pex.binary.app]\nentry-point = "main:main"\ncomplete-platforms = []\n'
        ),
        "main.py": SHOWN,
    }


def ours(name: str, more: str = "") -> str:
    return f'{name} = {{ version = "1.0", source = "private"{more} }}'


def test_all_that_has_no_wheel_is_named_at_once_and_nothing_is_fetched(
    written: Written, lock: Locker, world: World, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    compiled = write_wheel(made, "compiled", {"compiled.py": ""})
    compiled = compiled.rename(made / f"compiled-1.0-cp{THERE.replace('.', '')}-none-manylinux_2_17_x86_64.whl")
    files = (
        write_wheel(made, "pure", {"pure.py": ""}),
        compiled,
        *(
            write_sdist(made, name, {"pyproject.toml": f'[project]\nname = "{name}"\nversion = "1.0"\n'})
            for name in ("one", "two")
        ),
    )
    with serve_files(write_simple_index(tmp_path / "index", *files)) as served:
        wanted = [ours(name) for name in ("pure", "compiled", "one", "two")]
        app = written("app", application(served.url, "\n".join([*wanted, 'answer = { path = "answer" }'])))
        for name, text in C_EXTENSION.items():
            (app.root / "answer").mkdir(exist_ok=True)
            (app.root / "answer" / name).write_text(text, "utf-8")
        lock(app)
        world.aim(app, {"there": world.described(THERE), "arm": aarch64(world.described(THERE))})
        served.requests.clear()
        line = app.refused("no-wheel", "-s", "pex")
        assert served.requests == []
    assert (
        "for platforms/there.json and platforms/arm.json of one 1.0 (an sdist alone), two 1.0 (an sdist alone)" in line
    )
    assert "answer 1.0 (its sources compile: answer-1.0-cp3" in line
    assert "for platforms/arm.json of compiled 1.0 (1 wheel, of which none fits)" in line
    assert "pure" not in line


def test_a_private_source_with_a_password_and_what_it_may_do_wrong(
    written: Written, lock: Locker, world: World, tmp_path: Path, home: Path
) -> None:
    made = write_wheel(tmp_path / "made", "inner", {"inner.py": "TEXT = 'inner'\n"})
    with serve_files(write_simple_index(tmp_path / "index", made), login=LOGIN) as served:
        app = written("app", application(served.url, ours("inner")))
        lock(app, env=GIVEN)
        world.aim(app, {"there": world.described(THERE)})
        page = served.root / "simple" / "inner" / "index.html"
        file, listed = page.parent / made.name, page.read_text("utf-8")

        wrong = {**GIVEN, "POETRY_HTTP_BASIC_PRIVATE_PASSWORD": "not-the-password"}
        assert "not-the-password" not in app.refused("index-auth", "-v", "-s", "pex", env=wrong)
        page.write_text("", "utf-8")
        cold = {**GIVEN, "POETRY_CACHE_DIR": str(tmp_path / "cold")}
        assert "inner" in app.refused("index-missing", "-s", "pex", env=cold)
        page.write_text(listed, "utf-8")
        shutil.copyfile(write_wheel(tmp_path / "other", "inner", {"inner.py": "TEXT = 'another'\n"}), file)
        assert "inner-1.0-py3-none-any.whl" in app.refused("hash-mismatch", "-s", "pex", env=GIVEN)
        shutil.copyfile(made, file)

        result = app.nox("-v", "-s", "pex", "verify", env=GIVEN)
        assert "hunter2" not in result.output
        assert result.said("integrity", "passed")
        assert launch(app.binary("app"), home=home, env=world.on(THERE)).output == "inner 1.0\n"
        kept = list((Path(app.environ["NOX_PEX_CACHE_DIR"]) / "wheels").rglob(made.name))
        assert [path.read_bytes() for path in kept] == [made.read_bytes()]

    # the index is gone: what is kept serves, unless someone changed it
    app.nox("-s", "pex", "--", "--force")
    kept[0].write_bytes(b"spoiled")
    app.refused("index-unreachable", "-s", "pex", "--", "--force")


def test_one_version_for_each_python_however_loosely_others_ask_for_it(
    written: Written, lock: Locker, world: World, tmp_path: Path, home: Path
) -> None:
    made = tmp_path / "made"
    files = (
        write_wheel(made, "pack", {"pack.py": ""}),
        write_wheel(made, "pack", {"pack.py": ""}, version="2.0"),
        write_wheel(made, "aaa", {"aaa.py": ""}, requires=("pack",)),
    )
    with serve_files(write_simple_index(tmp_path / "index", *files)) as served:
        split = f'pack = [{{ version = "1.0", python = "<{THERE}", source = "private" }}, '
        split += f'{{ version = "2.0", python = ">={THERE}", source = "private" }}]'
        app = written("app", application(served.url, f"{ours('aaa')}\n{split}"))
        lock(app)
        world.aim(app, {"there": world.described(THERE), "own": world.described(OWN)})
        result = app.nox("-s", "verify")
    assert result.said("closure", "passed"), result.output
    for minor, version in ((OWN, "1.0"), (THERE, "2.0")):
        (own_home := home / minor).mkdir()
        assert launch(app.binary("app"), home=own_home, env=world.on(minor)).output == f"aaa 1.0 pack {version}\n"
    assert [found["version"] for found in app.record("app")["distributions"]] == ["1.0", "1.0", "2.0"]


def test_sources_of_a_directory_and_of_git(
    written: Written, lock: Locker, world: World, environ: dict[str, str], home: Path
) -> None:
    (origin := world.aside / "remote").mkdir()
    remote = GitRepository(root=origin, environ=environ)
    remote.commit(package("cloned", "cloned"))
    inner = 'inner = { path = "inner", develop = true }\n'
    app = written(
        "app",
        {
            **application("http://127.0.0.1:1", f'{inner}cloned = {{ git = "file://{remote.root}" }}'),
            **package("inner", "inner", below="inner/"),
        },
    )
    lock(app)
    world.aim(app, {"there": world.described(THERE)})
    result = app.nox("-s", "verify")
    assert result.said("leaks", "passed"), result.output
    assert launch(app.binary("app"), home=home, env=world.on(THERE)).output == "cloned 1.0 inner 1.0\n"
    (app.root / "inner" / "inner.py").write_text("TEXT = 'edited'\n", "utf-8")
    assert app.nox("-s", "pex").said("rebuilding app", "inner")


@pytest.mark.parametrize("poetry", ["pinned", "1.8.5"])
def test_lock_version_1_1(project: Make, world: World, home: Path, poetry: str) -> None:
    jotter = project("lock_1_1")
    jotter.edit("pyproject.toml", "[tool.nox-pex.binary.jot]\n", "[tool.nox-pex.binary.jot]\ncomplete-platforms = []\n")
    if poetry != "pinned":
        jotter.append("pyproject.toml", f'\n[tool.nox-pex]\npoetry-version = "{poetry}"\n')
    world.aim(jotter, {"there": world.described(THERE)})
    jotter.nox("-s", "verify")
    distributions = ["h11==0.16.0", "idna==3.11", "jotter==0.3.0", "tabulate==0.9.0"]
    assert (
        launch(jotter.binary("jot"), "x", home=home, env=world.on(THERE)).output
        == f"0.3.0 {' '.join(distributions)} x\n"
    )


def test_lock_version_2_0_and_a_server_of_compiled_packages(project: Make, world: World) -> None:
    standard = project("standard")
    standard.edit(
        "pyproject.toml",
        "[tool.nox-pex.binary.standard]\n",
        "[tool.nox-pex.binary.standard]\ncomplete-platforms = []\n",
    )
    world.aim(standard, {"there": world.described(THERE)})
    path = {"PATH": f"{standard.environ['PATH']}:{pythons()[THERE].parent}"}
    result = standard.nox("-s", "smoke", "--", "standard", env=path)
    assert result.said("warm", "1 of 1"), result.output
    names = {found["name"] for found in standard.record("standard")["distributions"]}
    assert {"uvicorn", "uvloop", "httptools", "watchfiles", "websockets", "python-dotenv", "pyyaml"} <= names
    assert not {"iniconfig", "tabulate", "colorama"} & names
