from __future__ import annotations

import pytest

from nox_pex.project.default_rules import candidates, is_key, packages_of, ships


@pytest.mark.parametrize(
    "name",
    [
        *("tests/data.json", "test/x.py", "app/tests/helper.py", "app/test/x.txt", "conftest.py", "app/conftest.py"),
        *("tests.py", "app/tests.py", "test_main.py", "app/test_x.py", "app/main_test.py"),
        *("docs/conf.py", "doc/index.txt", "build/lib/x.py", "dist/app.whl", "noxfile.py", "setup.py"),
        *("app/id_rsa", "id_dsa", "app/id_ecdsa", "id_ed25519", "app/ca.pem", "server.key", "app/a.p12", "a.pfx"),
    ],
)
def test_tests_documentation_build_output_and_keys_are_no_candidates(name: str) -> None:
    assert candidates([name, "main.py"]) == {"main.py"}


@pytest.mark.parametrize(
    "name",
    [
        *("app/docs/x.txt", "app/doc/x.txt", "app/build/x.py", "app/dist/x.py", "app/noxfile.py", "app/setup.py.txt"),
        *("testing/x.py", "test_data.json", "app/data_test.csv", "app/testing.py", "latest.py", "app/id_rsa.pub"),
        *("docs", "build.py", "keys.py", "app/monkey"),
    ],
)
def test_similar_names_are_candidates(name: str) -> None:
    assert candidates([name]) == {name}


@pytest.mark.parametrize("manifest", ["pyproject.toml", "setup.py"])
def test_another_project_is_no_candidate_but_one_inside_a_package_is(manifest: str) -> None:
    other = {f"libs/shelf/{manifest}", "libs/shelf/shelf/__init__.py", "libs/shelf/deep/er/x.py"}
    template = {"app/__init__.py", f"app/template/{manifest}", "app/template/main.py"}
    package = {"pack/__init__.py", f"pack/{manifest}"}
    assert candidates({*other, *template, *package, "libs/x.py"}) == {*template, *package, "libs/x.py"}


def test_a_package_has_code_and_a_name_that_python_can_import() -> None:
    names = ["app/deep/mod.py", "templates/index.html", "my-scripts/run.py", "main.py", "stubs/x.pyi"]
    assert packages_of(names) == {"app"}


def test_modules_at_the_root_and_all_files_of_packages_ship() -> None:
    names = ["main.py", "types.pyi", "fast.so", "settings.ini", "app/x.txt", "templates/x.py"]
    assert [name for name in names if ships(name, {"app"})] == ["main.py", "types.pyi", "fast.so", "app/x.txt"]


def test_a_key_is_known_by_its_name() -> None:
    assert is_key("deep/id_rsa")
    assert is_key("x.pem")
    assert not is_key("id_rsa/readme.txt")
    assert not is_key("pem")
