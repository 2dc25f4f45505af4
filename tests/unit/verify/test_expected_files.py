from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace
from packaging.utils import canonicalize_name

from nox_pex.distributions.environment import Environment, snapshot
from nox_pex.errors import NoxPexError
from nox_pex.platforms.wheelhouse import Wheel, Wheelhouse
from nox_pex.poetry.installed import Installed
from nox_pex.poetry.lock import Lock, Package
from nox_pex.poetry.selection import Selection
from nox_pex.verify.expected_files import (
    expected_from_environment,
    expected_from_wheels,
    is_written_by_installer,
)
from nox_pex.verify.pex_distributions import Location
from tests.support.environments import write_state
from tests.support.pex_files import recorded, wheel, with_row

SELECTION = Selection(groups=("main",), extras=())
FILES = {"lib/__init__.py": b"x = 1\n", "lib-1.dist-info/INSTALLER": b"poetry"}


def lib(path: str) -> Location:
    return Location(scheme="lib", path=path)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """An environment with the distribution `lib`, which has a script and bytecode."""
    site_packages = tmp_path / "lib" / "python3.11" / "site-packages"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "pyvenv.cfg").write_text("implementation = CPython\nversion_info = 3.11.7.final.0\n", "utf-8")
    (tmp_path / "bin" / "tool").write_bytes(b"#!/x/python\n")
    members = recorded("lib", "1", {**FILES, "lib/__pycache__/__init__.cpython-311.pyc": b"0"})
    record = with_row(members["lib-1.dist-info/RECORD"], "../../../bin/tool", b"#!/x/python\n")
    for name, content in {**members, "lib-1.dist-info/RECORD": record}.items():
        (site_packages / name).parent.mkdir(parents=True, exist_ok=True)
        (site_packages / name).write_bytes(content)
    return Environment(path=tmp_path)


def installed(environment: Environment, *, recorded: Mapping[str, object] | None = None) -> Installed:
    """An install in an environment, whose state file has the RECORDs as they are, or those of `recorded`."""
    found = environment.distributions()
    write_state(environment, distributions=snapshot(found) if recorded is None else recorded)
    return Installed(selection=SELECTION, environment=environment, distributions=found, path_digests={}, seconds=0.0)


def test_the_files_of_an_environment_are_those_of_its_records(environment: Environment) -> None:
    (name, files), *others = expected_from_environment(installed(environment)).items()
    assert (name, files.version, others) == ("lib", "1", [])
    bytecode = lib("lib/__pycache__/__init__.cpython-311.pyc")
    assert set(files.rows) == {lib("lib/__init__.py"), lib("lib-1.dist-info/METADATA"), bytecode}
    assert files.rows[lib("lib/__init__.py")].digest != files.rows[lib("lib-1.dist-info/METADATA")].digest
    assert list(files.scripts) == ["tool"]
    assert files.scripts["tool"].read() == b"#!/x/python\n"


def test_a_row_without_a_digest_gets_that_of_its_file(environment: Environment) -> None:
    with_digest = next(iter(expected_from_environment(installed(environment)).values())).rows[lib("lib/__init__.py")]
    (record,) = environment.path.glob("lib/*/site-packages/lib-1.dist-info/RECORD")
    rows = record.read_text("utf-8").splitlines()
    emptied = ["lib/__init__.py,," if row.startswith("lib/__init__.py,") else row for row in rows]
    record.write_text("\n".join([*emptied, "lib/none.py,,", ""]), "utf-8")
    found = next(iter(expected_from_environment(installed(environment)).values())).rows
    assert found[lib("lib/__init__.py")] == with_digest
    assert found[lib("lib/none.py")].digest == ""


@pytest.mark.parametrize("known", [{}, {"lib": ["1", "0" * 64]}, {"lib": ["2", None]}])
def test_a_record_that_changed_is_no_evidence(environment: Environment, known: Mapping[str, object]) -> None:
    with pytest.raises(NoxPexError, match=r"the RECORD of lib in .+ has changed since Poetry installed it") as caught:
        expected_from_environment(installed(environment, recorded=known))
    assert caught.value.code == "integrity"


@pytest.mark.parametrize(("editable", "names"), [(True, []), (False, ["lib"])])
def test_an_editable_distribution_is_left_out(environment: Environment, names: list[str], *, editable: bool) -> None:
    (dist_info,) = environment.path.glob("lib/*/site-packages/lib-1.dist-info")
    origin = {"url": "file:///lib", "dir_info": {"editable": editable}}
    (dist_info / "direct_url.json").write_text(json.dumps(origin), "utf-8")
    assert list(expected_from_environment(installed(environment))) == names


@pytest.mark.parametrize(
    ("path", "is_written"),
    [
        ("lib-1.dist-info/INSTALLER", True),
        ("lib-1.dist-info/RECORD", True),
        ("lib-1.dist-info/METADATA", False),
        ("lib-1.dist-info/sub/RECORD", False),
        ("lib/vendored-1.dist-info/RECORD", False),
        ("lib/RECORD", False),
        ("lib/__pycache__/x.pyc", False),
        ("lib/__pycache__", False),
    ],
)
def test_files_that_an_installer_writes(path: str, *, is_written: bool) -> None:
    assert is_written_by_installer(lib(path)) is is_written


WHEEL = "lib-1-py3-none-any.whl"
CONTENT = wheel({**recorded("lib", "1", {**FILES, "lib-1.data/scripts/tool": b"#!python\n"}), "empty/": b""})
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def wheelhouse(home: Path, content: bytes = CONTENT, *, built: bool = False) -> Wheelhouse:
    """A directory with one wheel, which has been fetched as `CONTENT`, and now has `content`."""
    (home / "wheels").mkdir()
    (home / "wheels" / WHEEL).write_bytes(content)
    entry = Wheel(
        name=canonicalize_name("lib"),
        version="1",
        file=WHEEL,
        sha256=SHA256,
        size=len(CONTENT),
        targets=("here",),
        built=built,
    )
    return Wheelhouse(selection=SELECTION, platforms=(), home=home, wheels=(entry,), path_digests={}, seconds=0.0)


def lock(*hashes: str) -> Lock:
    package = Package(name=canonicalize_name("lib"), version="1", hashes=hashes, source=None)
    return Lock(path=Path("poetry.lock"), digest="", packages=(package,))


@pytest.mark.parametrize("hashes", [(f"sha256:{SHA256}", "sha256:0"), ("md5:0",), ()])
def test_the_files_of_a_wheel_are_its_members(tmp_path: Path, hashes: tuple[str, ...]) -> None:
    files = expected_from_wheels(wheelhouse(tmp_path), lock(*hashes))[WHEEL]
    assert files.version == "1"
    assert set(files.rows) == {lib("lib/__init__.py"), lib("lib-1.dist-info/METADATA")}
    row = files.rows[lib("lib/__init__.py")]
    assert (row.path, row.algorithm) == ("lib/__init__.py", "sha256")
    assert files.scripts["tool"].read() == b"#!python\n"


def test_a_wheel_that_changed_or_is_not_locked_is_no_evidence(tmp_path: Path) -> None:
    for name, content, known in (
        ("changed", CONTENT + b"\0", (f"sha256:{SHA256}",)),
        ("other", CONTENT, ("sha256:0",)),
    ):
        (tmp_path / name).mkdir()
        house = wheelhouse(tmp_path / name, content)
        with pytest.raises(NoxPexError, match=f"{WHEEL} is not the file that poetry.lock locks") as caught:
            expected_from_wheels(house, lock(*known))
        assert caught.value.code == "integrity"


def test_a_wheel_that_was_built_here_is_in_no_lock(tmp_path: Path) -> None:
    house = wheelhouse(tmp_path, built=True)
    assert list(expected_from_wheels(house, lock("sha256:0"))) == [WHEEL]
    changed = replace(house, wheels=(replace(house.wheels[0], sha256="0"),))
    with pytest.raises(NoxPexError, match="is not the file"):
        expected_from_wheels(changed, lock("sha256:0"))
