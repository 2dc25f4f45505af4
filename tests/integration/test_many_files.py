"""More files than a PEX file can hold (a ZIP archive without ZIP64: 65,535 members)."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.pex import cli, tool
from nox_pex.pex.dependencies import Packer
from nox_pex.pex.disagreements import Disagreements
from nox_pex.pex.inputs import collect_project_files
from nox_pex.pex.member_limit import MOST, MemberLimit
from nox_pex.project import build_wheel
from nox_pex.steps import frontend
from tests.support.binaries import pex_info
from tests.support.locker import Locker
from tests.support.nox_project import Project

FEW = 2_000
"""A limit that is reached sooner than the real one, which is only tried with `--slow`."""

SMALLER = """
from nox_pex.pex import assemble, composer, member_limit

for module in (assemble, composer, member_limit):
    module.MOST = {most}
"""
"""Code of a noxfile that sets another limit."""

MOSTS = [FEW, pytest.param(MOST, marks=[pytest.mark.slow, pytest.mark.long])]

PYPROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["big"]

[tool.poetry]
package-mode = false

[tool.poetry.dependencies]
big = {{ path = "{wheel}" }}

[tool.nox-pex.binary.app]
entry-point = "main:main"
"""


def write_big_wheel(directory: Path, *, files: int) -> Path:
    """Write a wheel with this number of empty files."""
    wheel, info = directory / "big-1.0-py3-none-any.whl", "big-1.0.dist-info"
    contents = {
        "big/__init__.py": "",
        **{f"big/data/{number:05}": "" for number in range(files)},
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: big\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*contents, f"{info}/RECORD"))
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**contents, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)
    return wheel


def test_the_limit_is_that_of_archives_without_zip64() -> None:
    assert MOST == zipfile.ZIP_FILECOUNT_LIMIT


@pytest.mark.parametrize("most", MOSTS)
def test_distributions_with_too_many_files_are_stored_as_wheels(
    write_project: Callable[..., Project], lock: Locker, tmp_path: Path, most: int
) -> None:
    wheel = write_big_wheel(tmp_path, files=most)
    app = write_project("app", {"pyproject.toml": PYPROJECT.format(wheel=wheel), "main.py": "def main(): ...\n"})
    app.write_noxfile(before=SMALLER.format(most=most))
    lock(app)
    app.nox("-s", "freeze")
    app.add_setting("pre-install-wheels = true")
    line = app.refused("config", "-s", "pex")
    assert "tool.nox-pex.binary.app.pre-install-wheels is true" in line
    assert 'remove the key, or set layout = "packed"' in line
    app.edit("pyproject.toml", "pre-install-wheels = true\n", "")
    result = app.nox("-s", "pex")
    assert result.said("pex: app stores its distributions as wheels (pre-install-wheels = false)", f"{most:,}")
    assert pex_info(app.binary("app"))["deps_are_wheel_files"]
    with zipfile.ZipFile(app.binary("app")) as archive:
        assert f".deps/{wheel.name}" in archive.namelist()
    app.append("main.py", "# edited\n")
    assert app.nox("-s", "pex").said("rebuilding app: main.py changed")
    assert pex_info(app.binary("app"))["deps_are_wheel_files"]
    assert app.nox("-s", "pex").said("pex: app unchanged")


@pytest.mark.parametrize("most", MOSTS)
def test_sources_that_are_too_many_alone_are_refused(project: Callable[[str], Project], most: int) -> None:
    loose = project("loose")
    loose.write_noxfile(before=SMALLER.format(most=most))
    loose.nox("-s", "freeze")
    (loose.root / "wares" / "data").mkdir()
    for number in range(most):
        (loose.root / "wares" / "data" / str(number)).touch()
    line = loose.refused("config", "-s", "pex")
    assert f"a PEX file holds {most:,}" in line
    assert 'set layout = "packed"' in line


@pytest.mark.parametrize("name", ["loose", "packaged", "mixed", "standard"])
def test_the_members_are_counted_exactly(
    built: Callable[[str], Project], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = built(name)
    monkeypatch.setenv("NOX_PEX_CACHE_DIR", str(project.cache))
    context = frontend.context_of(
        project.root,
        work=project.root / ".nox",
        python=None,
        suffix="",
        missing=ValueError,
        posargs=(),
        invoked_from=project.root,
        say=print,
        verbose=False,
    )
    target = context.targets[0]
    installed, files = context.installed(target), collect_project_files(target)
    with tool.provide(context.provisioner, None, interpreter=installed.interpreter) as pex:
        packer = Packer(provisioner=context.provisioner, pex=pex)
        wheel_format = cli.WheelFormat(pre_install_wheels=True, compress=True)
        repository = packer.provide(
            installed, disagreements=Disagreements(), wheel_format=wheel_format, hold=()
        ).repository
    wheel = None
    if target.project.package_mode:
        wheel = build_wheel.build_wheel(
            target.project, into=tmp_path, interpreter=installed.interpreter, provisioner=context.provisioner
        )
    limit = MemberLimit(target=target, installed=installed, wheel=wheel, sources=() if wheel else tuple(files.digests))
    with zipfile.ZipFile(target.output) as archive:
        assert limit.number(repository) == len(archive.namelist())
    assert limit.number() <= limit.number(repository)
