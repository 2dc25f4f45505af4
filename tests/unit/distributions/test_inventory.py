from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from nox_pex.distributions import inventory
from nox_pex.distributions.environment import Environment
from nox_pex.errors import NoxPexError
from tests.unit.distributions.conftest import install_distribution


def edit_record(info: Path, old: str, new: str) -> None:
    text = (info / "RECORD").read_text("utf-8")
    assert old in text
    (info / "RECORD").write_text(text.replace(old, new), "utf-8")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("alpha.py,,", "alpha has no SHA-256 of a file"),
        ("alpha.py,sha256=,10", "alpha has no SHA-256 of a file"),
        ("alpha.py,md5=abc,10", "alpha has no SHA-256 of a file"),
        ("alpha.py,shake_128=abc,10", "alpha has no SHA-256 of a file"),
        ("alpha.py,nonsense,10", "alpha has no SHA-256 of a file"),
        ("alpha.py,=abc,10", "alpha has no SHA-256 of a file"),
        ("alpha.py,sha256=abc,10", "alpha.py"),
        ("../../../../outside.py,sha256=abc,10", "alpha has a file outside of its environment"),
        ("/outside.py,sha256=abc,10", "alpha has a file outside of its environment"),
        ("__pycache__/alpha.cpython-311.pyc,,", "alpha has no SHA-256 of a file"),
        (f'"{"x" * 200_000}",,', "the RECORD of alpha cannot be parsed"),
    ],
)
def test_a_row_that_proves_nothing_is_damage(environment: Environment, row: str, reason: str) -> None:
    info = install_distribution(environment, "alpha")
    rows = (info / "RECORD").read_text("utf-8").splitlines()
    (info / "RECORD").write_text("\n".join([row, *rows[1:]]), "utf-8")
    assert next(inventory.damaged(environment)).startswith(f"alpha: {reason}")


def test_a_file_that_is_listed_twice_is_damage(environment: Environment) -> None:
    info = install_distribution(environment, "alpha")
    first = (info / "RECORD").read_text("utf-8").splitlines()[0]
    with (info / "RECORD").open("a", encoding="utf-8") as record:
        record.write(f"./{first}\n")
    assert next(inventory.damaged(environment)).startswith("alpha: alpha lists a file twice")


@pytest.mark.parametrize("name", ["evil.pth", "sitecustomize.py", "more/module.py", "evil.dist-info/METADATA"])
def test_a_file_that_no_distribution_installed_is_damage(environment: Environment, name: str) -> None:
    install_distribution(environment, "alpha")
    (site,) = environment.site_packages
    (site / name).parent.mkdir(exist_ok=True)
    (site / name).touch()
    assert any(line.endswith(name) for line in inventory.damaged(environment))
    assert inventory.files_in(environment.path / "lib") is not None


def test_what_tools_write_is_no_damage(environment: Environment) -> None:
    info = install_distribution(environment, "alpha")
    for name in ("_virtualenv.py", "_virtualenv.pth", "__pycache__/alpha.cpython-311.pyc"):
        (info.parent / name).parent.mkdir(exist_ok=True)
        (info.parent / name).touch()
    (info / "direct_url.json").write_text("{}", "utf-8")
    with (info / "RECORD").open("a", encoding="utf-8") as record:
        record.write(f"{info.name}/direct_url.json,,\n")  # as Poetry writes it
    assert list(inventory.damaged(environment)) == []


def test_an_editable_install_with_absolute_paths_is_whole(environment: Environment) -> None:
    info = install_distribution(environment, "alpha")
    text = (info / "RECORD").read_text("utf-8").replace("alpha", f"{info.parent}/alpha")
    (info / "RECORD").write_text(text, "utf-8")
    assert list(inventory.damaged(environment)) == []


def test_a_link_among_the_files_is_named(environment: Environment) -> None:
    install_distribution(environment, "alpha")
    assert inventory.files_in(environment.path / "lib") == {
        os.path.relpath(path, environment.path / "lib")
        for path in (environment.path / "lib").rglob("*")
        if path.is_file()
    }
    (environment.path / "lib" / "link").symlink_to("python3.11")
    assert inventory.files_in(environment.path / "lib") is None


@pytest.mark.parametrize("path", ["pyvenv.cfg", "bin/python", "bin/python3", "bin/python3.11", "lib64", "bin/pypy3.10"])
def test_a_distribution_may_not_install_a_file_of_the_environment(environment: Environment, path: str) -> None:
    info = install_distribution(environment, "alpha")
    with (info / "RECORD").open("a", encoding="utf-8") as record:
        record.write(f"../../../{path},sha256={hashlib.sha256(b'').hexdigest()},0\n")
    with pytest.raises(NoxPexError, match=f"alpha 1.0 installs {path}") as caught:
        inventory.check_places(environment)
    assert caught.value.code == "install-failed"


def test_a_distribution_may_not_install_a_file_outside(environment: Environment) -> None:
    info = install_distribution(environment, "alpha")
    with (info / "RECORD").open("a", encoding="utf-8") as record:
        record.write("../../../../outside,sha256=abc,0\n")
    with pytest.raises(NoxPexError, match="outside of its environment") as caught:
        inventory.check_places(environment)
    assert caught.value.code == "install-failed"


@pytest.mark.parametrize("path", ["nox-pex.json", "bin/activate", "bin/python-config", "share/man/man1/alpha.1"])
def test_a_distribution_may_install_any_other_file(environment: Environment, path: str) -> None:
    info = install_distribution(environment, "alpha")
    with (info / "RECORD").open("a", encoding="utf-8") as record:
        record.write(f"../../../{path},sha256=abc,0\n")
    inventory.check_places(environment)
