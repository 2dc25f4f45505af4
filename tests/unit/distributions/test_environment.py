from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from nox_pex.distributions import inventory
from nox_pex.distributions.environment import Environment, installed_files, is_compiled_here, snapshot
from nox_pex.distributions.record import record_digest
from nox_pex.errors import NoxPexError
from tests.unit.distributions.conftest import install_distribution


def test_its_interpreter_is_read_from_its_files(environment: Environment, tmp_path: Path) -> None:
    found = environment.interpreter()
    assert (found.implementation, found.version) == ("CPython", "3.11.7")
    assert found.executable == tmp_path / "python3.11"
    assert environment.usable


def test_an_environment_without_its_interpreter_or_its_files_is_not_usable(
    environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "python3.11").unlink()
    assert not environment.usable
    for broken in (environment, Environment(path=tmp_path / "missing")):
        with pytest.raises(NoxPexError) as caught:
            broken.interpreter()
        assert caught.value.code == "python-mismatch"
        assert caught.value.problem.startswith(f"{broken.path} is not a usable virtual environment (")


def test_installed_distributions_are_sorted_by_name_and_read_from_their_metadata(environment: Environment) -> None:
    info = install_distribution(environment, "Zope_Parts", "2.0")
    install_distribution(environment, "alpha", record=False)
    (info / "direct_url.json").write_text("{}", "utf-8")
    alpha, zope = environment.distributions()
    assert (alpha.name, alpha.version, alpha.record, alpha.direct) == ("alpha", "1.0", None, False)
    assert (zope.name, zope.version, zope.direct) == ("zope-parts", "2.0", True)
    assert zope.record == hashlib.sha256((info / "RECORD").read_bytes()).hexdigest()


def test_each_file_that_differs_from_its_record_is_named(environment: Environment) -> None:
    install_distribution(environment, "alpha")
    install_distribution(environment, "beta")
    assert list(inventory.damaged(environment)) == []
    (site,) = environment.site_packages
    (site / "alpha.py").write_text("VALUE = 2\n", "utf-8")
    (site / "beta.py").unlink()
    install_distribution(environment, "gamma", record=False)
    assert list(inventory.damaged(environment)) == [
        "alpha: alpha.py",
        "beta: beta.py",
        "gamma: no RECORD",
        "no distribution: gamma-1.0.dist-info/METADATA",
        "no distribution: gamma.py",
    ]


def test_scripts_become_executable_and_nothing_else(environment: Environment) -> None:
    info = install_distribution(environment, "alpha")
    script = environment.path / "bin" / "run.sh"
    script.write_bytes(b"#!/bin/sh\n")
    script.chmod(0o644)
    with (info / "RECORD").open("a", encoding="utf-8") as record:
        record.write("../../../bin/run.sh,,\n../../../bin/python,,\n../../../bin/missing,,\n")
    environment.make_scripts_executable()
    assert script.stat().st_mode & 0o777 == 0o755
    assert (info.parent / "alpha.py").stat().st_mode & 0o111 == 0


def test_a_distribution_whose_metadata_is_not_utf_8_is_named(environment: Environment) -> None:
    install_distribution(environment, "alpha")
    info = install_distribution(environment, "beta")
    (info / "METADATA").write_bytes("Name: beta\nAuthor: Müller\n".encode("latin-1"))
    (install_distribution(environment, "gamma") / "METADATA").unlink()
    assert list(environment.without_utf_8()) == ["beta"]


def test_a_distribution_is_removed_and_no_file_outside_of_the_environment(
    environment: Environment, tmp_path: Path
) -> None:
    info = install_distribution(environment, "alpha")
    outside = tmp_path / "outside.txt"
    outside.write_text("stays", "utf-8")
    with (info / "RECORD").open("a", encoding="utf-8") as record:
        record.write("../../../../outside.txt,,\n")
    (site,) = environment.site_packages
    environment.remove(environment.distributions()[0])
    assert list(site.iterdir()) == []
    assert outside.exists()


def test_a_snapshot_has_the_version_and_the_record_of_each_distribution(environment: Environment) -> None:
    info = install_distribution(environment, "alpha")
    install_distribution(environment, "beta", "2.0", record=False)
    digest = hashlib.sha256((info / "RECORD").read_bytes()).hexdigest()
    assert snapshot(environment.distributions()) == {"alpha": ["1.0", digest], "beta": ["2.0", None]}


def test_a_distribution_with_a_plain_linux_tag_was_compiled_here(environment: Environment) -> None:
    info = install_distribution(environment, "alpha")
    assert not is_compiled_here(environment.distributions()[0])
    tags = {"cp311-cp311-linux_x86_64": True, "cp311-cp311-manylinux_2_28_x86_64": False, "py3-none-any": False}
    for tag, compiled in tags.items():
        (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nTag: {tag}\n", "utf-8")
        assert is_compiled_here(environment.distributions()[0]) is compiled


def test_installed_files_have_paths_from_the_environment_and_from_the_record(environment: Environment) -> None:
    info = install_distribution(environment, "alpha")
    with (info / "RECORD").open("a", encoding="utf-8") as record:
        record.write("../../../bin/run,sha256=abc,3\n")
    site = "lib/python3.11/site-packages"
    digest = record_digest("sha256", info.parent / "alpha.py")
    metadata = record_digest("sha256", info / "METADATA")
    assert list(installed_files(environment.distributions()[0], environment)) == [
        (f"{site}/alpha.py", "alpha.py", f"sha256={digest}"),
        (f"{site}/alpha-1.0.dist-info/METADATA", "alpha-1.0.dist-info/METADATA", f"sha256={metadata}"),
        (f"{site}/alpha-1.0.dist-info/RECORD", "alpha-1.0.dist-info/RECORD", ""),
        ("bin/run", "../../../bin/run", "sha256=abc"),
    ]


@pytest.mark.parametrize("path", ["../../../../outside.txt", "/etc/hosts"])
def test_an_installed_file_outside_of_the_environment_is_an_error(environment: Environment, path: str) -> None:
    info = install_distribution(environment, "alpha")
    with (info / "RECORD").open("a", encoding="utf-8") as record:
        record.write(f"{path},,\n")
    with pytest.raises(OSError, match="alpha has a file outside of its environment"):
        list(installed_files(environment.distributions()[0], environment))


def test_installed_files_without_a_record_are_an_error(environment: Environment) -> None:
    install_distribution(environment, "alpha", record=False)
    with pytest.raises(FileNotFoundError):
        list(installed_files(environment.distributions()[0], environment))
