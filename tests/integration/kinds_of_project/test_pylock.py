"""`dist/pylock.NAME.toml`: `packaging` accepts it, and uv and pip install from it what Poetry installed."""

from __future__ import annotations

import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from packaging.pylock import Package, Pylock, is_valid_pylock_path

from nox_pex.tools.provision import find_uv
from tests.support.commands import Result, run
from tests.support.distribution_files import write_wheel
from tests.support.file_server import serve_files
from tests.support.git_repository import GitRepository
from tests.support.locker import Locker
from tests.support.nox_project import Project
from tests.support.package_index import write_simple_index
from tests.support.poetry_package import package_files

WriteProject = Callable[..., Project]

LOGIN: Final = "joe:hunter2-is-secret"
PASSWORD: Final = LOGIN.partition(":")[2]
GIVEN: Final = {"POETRY_HTTP_BASIC_PRIVATE_USERNAME": "joe", "POETRY_HTTP_BASIC_PRIVATE_PASSWORD": PASSWORD}
DEPENDENCIES: Final = """
idna = "3.11"
uvicorn = {{ version = "0.38.0", extras = ["standard"] }}
inner = {{ version = "1.0", source = "private" }}
distant = {{ url = "{login}/distant-1.0-py3-none-any.whl" }}
wheeled = {{ path = "files/wheeled-1.0-py3-none-any.whl" }}
shelf = {{ path = "../shelf", develop = true }}
below = {{ git = "{git}", subdirectory = "libs/below", branch = "feature" }}
"""
DIRECT: Final = {"inner", "distant", "wheeled", "shelf", "below"}


def read(project: Project, name: str) -> dict[str, list[Package]]:
    """The packages in a file that `packaging` accepts, by their names."""
    file = project.root / "dist" / f"pylock.{name}.toml"
    assert is_valid_pylock_path(file)
    found: dict[str, list[Package]] = {}
    for package in Pylock.from_dict(tomllib.loads(file.read_text("utf-8"))).packages:
        found.setdefault(package.name, []).append(package)
    return found


def install(project: Project, name: str, *, into: Path, tool: str) -> set[str]:
    """The distributions that the real uv or pip installs from the file into a new environment."""
    python = into / "bin" / "python"
    (netrc := into.with_name("netrc")).write_text("machine 127.0.0.1 login joe password hunter2-is-secret\n", "utf-8")
    environ = {**project.environ, "NETRC": str(netrc)}
    argv = [sys.executable, "-m", "virtualenv", "--quiet", "--no-periodic-update", "--no-seed", str(into)]
    assert run(argv, cwd=project.root, env=environ).status == 0
    if tool == "uv":
        argv = [str(find_uv(environ)), "pip", "sync", "--python", str(python), "--preview-features", "pylock"]
    else:
        argv = [sys.executable, "-m", "pip", "--python", str(python), "install", "-r"]
    result = run([*argv, f"pylock.{name}.toml"], cwd=project.root / "dist", env=environ)
    assert result.status == 0, result.output
    (packages,) = (into / "lib").glob("python*/site-packages")
    return {path.name.removesuffix(".dist-info") for path in packages.glob("*.dist-info")}


def test_every_kind_of_source_is_in_the_file_and_uv_installs_what_poetry_installed(
    write_project: WriteProject, lock: Locker, environ: dict[str, str], tmp_path: Path
) -> None:
    origin = GitRepository(root=tmp_path / "origin", environ=environ)
    origin.root.mkdir()
    origin.commit(package_files("other", "other"))
    origin.git("checkout", "--quiet", "-b", "feature")
    commit = origin.commit(package_files("below", "below", below="libs/below/"))
    inner = write_wheel(tmp_path / "wheels", "inner", {"inner.py": "TEXT = 'inner'\n"})
    distant = write_wheel(tmp_path / "wheels", "distant", {"distant.py": "TEXT = 'distant'\n"})
    served = write_simple_index(tmp_path / "served", inner)
    shutil.copy(distant, served)
    with serve_files(served, login=LOGIN) as server:
        dependencies = DEPENDENCIES.format(login=server.with_login(LOGIN), git=origin.root.as_uri())
        app = write_project(
            "app",
            {
                "pyproject.toml": (
                    '[tool.poetry]\nname = "app"\npackage-mode = false\n\n'
                    f'[tool.poetry.dependencies]\npython = ">=3.10"\n{dependencies}\n'
                    f'[[tool.poetry.source]]\nname = "private"\nurl = "{server.url}/simple/"\npriority = "explicit"\n\n'
                    '[tool.nox-pex.binary."v1.0"]\nentry-point = "main:main"\n'
                ),
                "main.py": "import inner\n\n\ndef main() -> None:\n    print(inner.TEXT)\n",
                **package_files("shelf", "shelf", below="../shelf/"),
            },
        )
        write_wheel(app.root / "files", "wheeled", {"wheeled.py": "TEXT = 'wheeled'\n"})
        lock(app, env=GIVEN)
        app.nox("-s", "freeze", env=GIVEN)
        text = (app.root / "dist" / "pylock.v1-0.toml").read_text("utf-8")
        found = read(app, "v1-0")

        (inner_wheel,) = found["inner"][0].wheels or ()
        assert inner_wheel.url == f"{server.url}/{inner.name}" or (inner_wheel.url or "").endswith(inner.name)
        assert found["inner"][0].index == f"{server.url}/simple"
        archive = found["distant"][0].archive
        assert archive is not None
        assert (archive.url, archive.path) == (f"{server.url}/{distant.name}", None)
        archive = found["wheeled"][0].archive
        assert archive is not None
        assert (archive.url, archive.path) == (None, "../files/wheeled-1.0-py3-none-any.whl")
        directory, vcs = found["shelf"][0].directory, found["below"][0].vcs
        assert directory is not None
        assert directory.path == "../../shelf"
        assert vcs is not None
        assert (vcs.commit_id, vcs.subdirectory, vcs.requested_revision) == (commit, "libs/below", "feature")
        assert vcs.path == "../../origin"
        assert {name for name, packages in found.items() if packages[0].version is None} == {"shelf", "below"}
        assert not [secret for secret in (PASSWORD, str(tmp_path)) if secret in text]

        assert install(app, "v1-0", into=tmp_path / "by uv", tool="uv") == app.installed()
        server.requests.clear()
        before = app.dist()
        shutil.rmtree(app.root / "dist")
        assert not app.nox("-s", "freeze", env=GIVEN).said("asks the package index")
        assert app.dist() == before  # the same bytes, with the addresses from the cache
        app.nox("-s", "freeze", "--", "--force", env=GIVEN)
        assert app.dist() == before
        assert [path for path in server.paths() if path.startswith("/simple/inner")]


def test_pip_installs_what_poetry_installed(built: Callable[[str], Project], tmp_path: Path) -> None:
    standard = built("standard")
    assert install(standard, "standard", into=tmp_path / "by pip", tool="pip") == standard.installed()
    assert standard.nox("-s", "clean", "--", "--dry-run").said("clean: would remove dist/pylock.standard.toml")


def result_without_index(project: Project, index: str, *arguments: str) -> Result:
    """Run `freeze` with an index that cannot be reached, and a cache of addresses that is empty."""
    shutil.rmtree(project.cache / "urls", ignore_errors=True)
    return project.nox("-s", "freeze", *arguments, env={"POETRY_PYPI_MIRROR_URL": index})


def test_without_its_index_a_build_goes_on_without_the_file(
    built: Callable[[str], Project], tmp_path: Path, unreachable_index: str
) -> None:
    loose = built("loose").with_new_cache(tmp_path / "cache")
    loose.append("poetry.lock", "\n")
    loose.nox("-s", "install")
    result = result_without_index(loose, unreachable_index)
    assert result.said("freeze: pylock.loose.toml is not written: ", "the package index")
    assert not (loose.root / "dist" / "pylock.loose.toml").exists()
    assert (loose.root / "dist" / "loose.requirements.txt").exists()
    again = result_without_index(loose, unreachable_index)
    assert again.said("freeze: loose unchanged", "without pylock.loose.toml: `-- --force` tries again")
    assert not again.said("asks the package index")
    loose.nox("-s", "freeze", "--", "--force")
    assert read(loose, "loose").keys() == {"idna"}


@pytest.mark.parametrize("names", [('"a.b"', "a-b")])
def test_two_binaries_with_one_file_name_are_refused(built: Callable[[str], Project], names: tuple[str, str]) -> None:
    loose = built("loose")
    for name in names:
        loose.append("pyproject.toml", f'[tool.nox-pex.binary.{name}]\nentry-point = "counter:main"\n')
    line = loose.refused("config", "-s", "freeze")
    assert "pylock.a-b.toml" in line
