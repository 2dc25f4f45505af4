from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from nox_pex.distributions.entry_points import entry_points, parse_entry_points
from nox_pex.distributions.environment import Environment
from nox_pex.distributions.record import record_digest, record_rows
from nox_pex.errors import NoxPexError


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    made = tmp_path / "environment"
    (made / "bin").mkdir(parents=True)
    base = tmp_path / "python3.11"
    base.write_bytes(b"12345")
    (made / "bin" / "python").symlink_to(base)
    (made / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    (made / "pyvenv.cfg").write_text(f"home = {tmp_path}\nimplementation = CPython\nversion_info = 3.11.7.final.0\n")
    return Environment(path=made)


def install(environment: Environment, name: str, version: str = "1.0", *, record: bool = True) -> Path:
    (site,) = environment.site_packages
    module = site / f"{name.lower()}.py"
    module.write_text("VALUE = 1\n", "utf-8")
    info = site / f"{name.lower()}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: nobody\n", "utf-8"
    )
    if record:
        digest = record_digest("sha256", module)
        (info / "RECORD").write_text(f"{module.name},sha256={digest},10\n{info.name}/RECORD,,\n", "utf-8")
    return info


def test_its_interpreter_is_read_and_not_started(environment: Environment, tmp_path: Path) -> None:
    found = environment.interpreter()
    assert (found.implementation, found.version, found.minor) == ("CPython", "3.11.7", "3.11")
    assert found.executable == tmp_path / "python3.11"
    assert found.identity == f"CPython 3.11.7 at {tmp_path / 'python3.11'} (5 bytes)"
    assert environment.usable


def test_what_is_no_environment(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "python3.11").unlink()
    assert not environment.usable
    for broken in (environment, Environment(path=tmp_path / "nowhere")):
        with pytest.raises(NoxPexError) as caught:
            broken.interpreter()
        assert caught.value.code == "python-mismatch"


def test_what_is_installed(environment: Environment) -> None:
    info = install(environment, "Zope_Parts", "2.0")
    install(environment, "alpha", record=False)
    (info / "direct_url.json").write_text("{}", "utf-8")
    alpha, zope = environment.distributions()
    assert (alpha.name, alpha.version, alpha.record, alpha.direct) == ("alpha", "1.0", None, False)
    assert (zope.name, zope.version, zope.direct) == ("zope-parts", "2.0", True)
    assert zope.record == hashlib.sha256((info / "RECORD").read_bytes()).hexdigest()


def test_damage_is_named(environment: Environment) -> None:
    install(environment, "alpha")
    install(environment, "beta")
    assert list(environment.damaged()) == []
    (site,) = environment.site_packages
    (site / "alpha.py").write_text("VALUE = 2\n", "utf-8")
    (site / "beta.py").unlink()
    install(environment, "gamma", record=False)
    assert list(environment.damaged()) == ["alpha: alpha.py", "beta: beta.py", "gamma: no RECORD"]


def test_a_distribution_is_removed_and_nothing_outside(environment: Environment, tmp_path: Path) -> None:
    info = install(environment, "alpha")
    outside = tmp_path / "outside.txt"
    outside.write_text("stays", "utf-8")
    with (info / "RECORD").open("a", encoding="utf-8") as record:
        record.write("../../../../outside.txt,,\n")
    (site,) = environment.site_packages
    environment.remove(environment.distributions()[0])
    assert list(site.iterdir()) == []
    assert outside.exists()


def test_entry_points(environment: Environment) -> None:
    info = install(environment, "alpha")
    assert entry_points(environment.distributions()[0]) == {}
    text = "[console_scripts]\nRun-It = alpha:main [extra]\n other=alpha:other\n[gui_scripts]\nw = alpha:w\n"
    (info / "entry_points.txt").write_text(text.replace("\n other", "\nother"), "utf-8")
    assert entry_points(environment.distributions()[0]) == {"Run-It": "alpha:main [extra]", "other": "alpha:other"}
    assert parse_entry_points("[a]\nx = 100%\n", "a") == {"x": "100%"}


def test_rows_of_a_record() -> None:
    text = 'a.py,sha256=x,1\n"with, comma.py",,\n\nshort\n'
    assert list(record_rows(text)) == [("a.py", "sha256=x", "1"), ("with, comma.py", "", ""), ("short", "", "")]
