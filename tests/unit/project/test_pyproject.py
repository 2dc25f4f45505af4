from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.project import pyproject
from nox_pex.project.pyproject import Project


def read(path: Path, text: str) -> Project:
    (path / "pyproject.toml").write_text(text, "utf-8")
    return pyproject.read(path)


STANDARD = """
[project]
name = "My.Service"
version = "1.2"
dependencies = ["idna"]
scripts = { serve = "service:main" }
gui-scripts = { window = "service:window" }
optional-dependencies = { Fast_Path = ["h11"] }

[dependency-groups]
Dev_Tools = ["pytest"]

[tool.poetry.group.docs.dependencies]
sphinx = "*"

[build-system]
requires = ["poetry-core>=2"]
"""


def test_a_standard_project_table_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, STANDARD)
    assert (found.name, found.version, found.package_mode) == ("my-service", "1.2", True)
    assert found.scripts == {"serve": "service:main"}
    assert found.other_scripts == {"window": "service:window"}
    assert found.groups == {"main", "dev-tools", "docs"}
    assert found.extras == {"fast-path"}
    assert found.build_requires == ("poetry-core>=2",)
    assert found.file == tmp_path / "pyproject.toml"
    assert found.lock == tmp_path / "poetry.lock"
    assert found.has_main_group


def test_poetrys_own_table_is_read(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
        [tool.poetry]
        name = "old"
        package-mode = false
        [tool.poetry.dependencies]
        python = "^3.10"
        [tool.poetry.dev-dependencies]
        pytest = "*"
        [tool.poetry.scripts]
        serve = "old:main"
        legacy = { callable = "old:legacy" }
        named = { reference = "old:named", type = "console" }
        file = { reference = "bin/run.sh", type = "file" }
        [tool.poetry.extras]
        fast = ["h11"]
        """,
    )
    assert (found.name, found.version, found.package_mode) == ("old", None, False)
    assert found.scripts == {"serve": "old:main", "legacy": "old:legacy", "named": "old:named"}
    assert found.other_scripts == {"run.sh": None}
    assert found.groups == {"main", "dev"}
    assert found.extras == {"fast"}
    assert found.build_requires == ("poetry-core",)


def test_a_project_without_a_name_has_that_of_its_directory(tmp_path: Path) -> None:
    root = tmp_path / "Shop_Floor"
    root.mkdir()
    assert read(root, "[tool.poetry]\npackage-mode = false\n").name == "shop-floor"


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ('["idna"]', '["idna>=3"]', True),
        ('["h11"]', '["h11>=0.16"]', True),
        ('["pytest"]', '["pytest>9"]', True),
        ('sphinx = "*"', 'sphinx = "9"', True),
        ('version = "1.2"', 'version = "1.3"', False),
        ('"service:main"', '"service:other"', False),
    ],
)
def test_the_dependency_digest_covers_only_what_poetry_installs(
    tmp_path: Path, old: str, new: str, *, differs: bool
) -> None:
    before = read(tmp_path, STANDARD).dependency_digest()
    assert (read(tmp_path, STANDARD.replace(old, new)).dependency_digest() != before) is differs


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "cannot read"),
        ("[tool.other]\nx = 1\n", "neither a [project] nor a [tool.poetry] table"),
        ("project = 3", "`project` is not a table"),
        ("[tool]\npoetry = 3", "`tool.poetry` is not a table"),
        ("tool = 3", "`tool` is not a table"),
        ('[project]\nname = "x"\nscripts = 3', "`project.scripts` is not a table"),
        ('[project]\nname = "x"\noptional-dependencies = []', "`project.optional-dependencies` is not a table"),
        ('dependency-groups = []\n[project]\nname = "x"', "`dependency-groups` is not a table"),
        ('[tool.poetry]\nname = "x"\ngroup = "dev"', "`tool.poetry.group` is not a table"),
        ('build-system = 1\n[project]\nname = "x"', "`build-system` is not a table"),
    ],
)
def test_a_file_that_is_not_a_project_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(NoxPexError) as caught:
        read(tmp_path, text)
    assert caught.value.code == "config"
    assert said in caught.value.problem
    assert str(tmp_path) in caught.value.problem


def test_a_missing_pyproject_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoxPexError, match=r"no pyproject\.toml") as caught:
        pyproject.read(tmp_path)
    assert caught.value.code == "config"


@pytest.mark.parametrize(
    ("project", "requires", "expected"),
    [
        ('version = "1.0"', "poetry-core", False),
        ('version = "0"', "poetry-core", True),
        ('dynamic = ["version"]', "hatchling", True),
        ('version = "1.0"', "poetry-dynamic-versioning[plugin]>=1.0,<2.0", True),
        ('version = "1.0"', "hatch-vcs", True),
        ('version = "1.0"', "dunamai>=1", True),
        ('dynamic = ["version"]\n[tool.poetry]\nversion = "0.0.0"', "pdm-backend", True),
        ('version = "1.0"', "poetry-core>=1.0 ; python_version > '3.8'", False),
    ],
)
def test_the_version_may_come_from_git_if_it_is_not_static(
    tmp_path: Path, project: str, requires: str, *, expected: bool
) -> None:
    text = f'[build-system]\nrequires = ["{requires}"]\n[project]\nname = "x"\n{project}\n'
    assert read(tmp_path, text).version_from_git is expected
    table = "" if "[tool.poetry]" in text else "[tool.poetry]\n"
    assert not read(tmp_path, f"{text}{table}package-mode = false\n").version_from_git


def test_a_version_that_poetry_reads_from_its_own_table_is_static(tmp_path: Path) -> None:
    text = '[project]\nname = "x"\ndynamic = ["version"]\n[tool.poetry]\nversion = "1.0"\n'
    assert not read(tmp_path, text).version_from_git


@pytest.mark.parametrize(
    ("backend", "expected"),
    [("poetry.core.masonry.api", True), ("poetry_dynamic_versioning.backend", True), ("hatchling.build", False)],
)
def test_a_wrapper_of_poetrys_backend_counts_as_poetrys(tmp_path: Path, backend: str, *, expected: bool) -> None:
    text = f'[project]\nname = "x"\n[build-system]\nrequires = []\nbuild-backend = "{backend}"\n'
    assert read(tmp_path, text).is_built_by_poetry is expected


@pytest.mark.parametrize(
    ("table", "backend"),
    [
        ("", "poetry.core.masonry.api"),
        ('[build-system]\nrequires = ["setuptools"]\n', "setuptools.build_meta:__legacy__"),
        ('[build-system]\nrequires = []\nbuild-backend = "flit_core.buildapi"\n', "flit_core.buildapi"),
    ],
)
def test_the_default_of_the_build_backend_depends_on_the_table(tmp_path: Path, table: str, backend: str) -> None:
    found = read(tmp_path, f'[project]\nname = "x"\n{table}')
    assert found.build_backend == backend
    assert found.is_built_by_poetry is (backend == "poetry.core.masonry.api")


@pytest.mark.parametrize("text", [None, "", "nonsense", "[tool.black]\nline-length = 100\n"])
def test_a_path_dependency_may_have_no_project_table(tmp_path: Path, text: str | None) -> None:
    root = tmp_path / "Old_Shelf"
    root.mkdir()
    if text is not None:
        (root / "pyproject.toml").write_text(text, "utf-8")
    found = pyproject.read_source(root)
    assert (found.name, found.version, found.package_mode) == ("old-shelf", None, True)
    assert found.build_requires == ("setuptools>=61",)


def test_a_path_dependency_keeps_its_build_system(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[build-system]\nrequires = ["flit_core"]\n', "utf-8")
    assert pyproject.read_source(tmp_path).build_requires == ("flit_core",)
    (tmp_path / "pyproject.toml").write_text(STANDARD, "utf-8")
    assert pyproject.read_source(tmp_path) == pyproject.read(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        *("[build-system]\nrequires = 3", "[build-system]\nrequires = [3]", "[tool.poetry]\ninclude = 3"),
        *("[tool.poetry]\ninclude = [{ x = 1 }]", '[tool.poetry]\ninclude = "x"', "[tool.poetry]\npackages = [3]"),
        *("[tool.poetry]\npackages = 3", f"[x]\na = {'9' * 5000}", f"[x]\na = {'[' * 5000}"),
    ],
)
def test_a_wrong_type_in_the_rest_of_the_file_is_an_error_with_a_code(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "a"\n{text}\n', "utf-8")
    with pytest.raises(NoxPexError) as caught:
        pyproject.read(tmp_path)
    assert caught.value.code == "config"
