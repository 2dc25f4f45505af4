from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.project.default_rules import (
    BUILD_OUTPUT,
    CONFIGURATION,
    DOCUMENTATION,
    KEY,
    NO_MODULE,
    NO_PACKAGE,
    OUTSIDE_ROOT,
    PROJECT,
    TESTS,
    Rules,
    is_key,
)

PROJECT_TABLES = ["[project]\nname = 'x'\n", "[build-system]\nrequires = []\n", "[tool.poetry]\nname = 'x'\n"]


def reasons(root: Path, *names: str, below: str = "") -> dict[str, str | None]:
    rules = Rules.of({name: name for name in names}, root=root, below=below)
    return {name: rules.reason(name, name) for name in names}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        *[(name, TESTS) for name in ("tests/data.json", "test/x.py", "conftest.py", "tests.py", "test_main.py")],
        *[(name, TESTS) for name in ("tests/__init__.py", "test/__init__.py", "main_test.py")],
        *[(name, DOCUMENTATION) for name in ("docs/conf.py", "doc/index.txt")],
        *[(name, BUILD_OUTPUT) for name in ("build/lib/app.py", "dist/app.whl")],
        *[(name, CONFIGURATION) for name in ("noxfile.py", "setup.py", "README.md", "Makefile", "poetry.lock")],
        *[(name, KEY) for name in ("app/id_rsa", "id_dsa", "app/ca.pem", "server.key", "app/a.p12", "a.pfx")],
        *[(name, NO_PACKAGE) for name in ("templates/index.html", "my-scripts/run.py", "stubs/x.pyi")],
        *[(name, NO_MODULE) for name in ("settings.ini", "docs", "id_rsa.pub")],
    ],
)
def test_a_file_that_does_not_ship_has_a_reason(tmp_path: Path, name: str, reason: str) -> None:
    assert reasons(tmp_path, name, "main.py", "app/__init__.py")[name] == reason


@pytest.mark.parametrize(
    "name",
    [
        *("main.py", "types.pyi", "fast.so", "build.py", "docs.py", "testing/x.py", "latest.py", "keys.py"),
        # everything in a package, tests too: a program may import it
        *("app/tests/helper.py", "app/test/client.py", "app/conftest.py", "app/test_x.py", "app/tests.py"),
        *("app/docs/x.txt", "app/build/x.py", "app/setup.py", "app/README.md", "app/id_rsa.pub", "app/static/x.css"),
        # a test of a module that does not exist is no test
        *("load_test.py", "app/load_test.py"),
        *("space/deep/mod.py", "space/x.txt", "ext/_core.so"),
    ],
)
def test_modules_and_all_that_is_in_packages_ship(tmp_path: Path, name: str) -> None:
    names = {name, "main.py", "app/__init__.py", "space/deep/other.py", "ext/other.so"}
    assert reasons(tmp_path, *names)[name] is None


@pytest.mark.parametrize("top", ["docs", "doc", "build", "dist"])
def test_a_package_may_have_the_name_of_documentation_or_output(tmp_path: Path, top: str) -> None:
    found = reasons(tmp_path, f"{top}/__init__.py", f"{top}/deep/x.txt")
    assert set(found.values()) == {None}


@pytest.mark.parametrize("text", PROJECT_TABLES)
def test_a_directory_with_a_project_file_is_a_separate_project(tmp_path: Path, text: str) -> None:
    (tmp_path / "libs" / "shelf").mkdir(parents=True)
    (tmp_path / "libs" / "shelf" / "pyproject.toml").write_text(text, "utf-8")
    found = reasons(tmp_path, "libs/shelf/pyproject.toml", "libs/shelf/shelf/__init__.py", "libs/x.py", "main.py")
    assert [name for name, reason in found.items() if reason == PROJECT] == [
        *("libs/shelf/pyproject.toml", "libs/shelf/shelf/__init__.py")
    ]
    assert found["libs/x.py"] is None


@pytest.mark.parametrize("text", ["[tool.ruff]\nline-length = 100\n", "tool = 3\n", "[project\n", ""])
def test_a_pyproject_that_describes_no_project_makes_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "pyproject.toml").write_text(text, "utf-8")
    found = reasons(tmp_path, "core/pyproject.toml", "core/setup.py", "core/mod.py")
    assert set(found.values()) == {None}


def test_a_project_in_a_package_is_data_of_the_package(tmp_path: Path) -> None:
    for name in ("app/template", "pack"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "pyproject.toml").write_text("[project]\n", "utf-8")
    found = reasons(
        tmp_path, "app/__init__.py", "app/template/pyproject.toml", "pack/__init__.py", "pack/pyproject.toml"
    )
    assert set(found.values()) == {None}


def test_the_rules_apply_below_the_root_of_the_sources(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "pyproject.toml").write_text("[project]\n", "utf-8")
    names = ("src/main.py", "src/app/x.txt", "src/app/mod.py", "src/tests/x.py", "src/data/x.txt", "src/pyproject.toml")
    outside = ("main.py", "app/mod.py", "tests/x.py", "README.md", "server.pem", "src-more/x.py")
    assert list(reasons(tmp_path, *names, *outside, below="src").values()) == [
        *(None, None, None, TESTS, NO_PACKAGE, NO_MODULE),
        *(OUTSIDE_ROOT, OUTSIDE_ROOT, TESTS, CONFIGURATION, KEY, OUTSIDE_ROOT),
    ]


def test_a_link_to_a_key_is_a_key(tmp_path: Path) -> None:
    rules = Rules.of({"app/a.py": "app/a.py", "app/cert.txt": "server.key"}, root=tmp_path)
    assert rules.reason("app/cert.txt", "server.key") == KEY


def test_a_key_is_known_by_its_name() -> None:
    assert is_key("deep/id_rsa")
    assert is_key("x.pem")
    assert not is_key("id_rsa/readme.txt")
    assert not is_key("pem")
