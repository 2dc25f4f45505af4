from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.pex import member_limit
from nox_pex.pex.member_limit import MOST, MemberLimit
from tests.support.fake_environment import FakeEnvironment
from tests.support.small_pex import SmallPex, write_repository, write_wheel
from tests.unit.pex.conftest import MakeTarget

WHEEL = "shop-1.0-py3-none-any.whl"

MakeLimit = Callable[..., MemberLimit]


@pytest.fixture
def limit(environment: FakeEnvironment, make_target: MakeTarget) -> MakeLimit:
    """The limit of a binary with a library; options are keys of its table."""

    def make(*, wheel: Path | None = None, sources: tuple[str, ...] = ("main.py",), **table: Any) -> MemberLimit:
        return MemberLimit(target=make_target(**table), installed=environment.installed(), wheel=wheel, sources=sources)

    return make


@pytest.fixture
def most(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the number of members that a PEX file holds."""
    return lambda number: monkeypatch.setattr(member_limit, "MOST", number)


def test_the_most_members_are_those_of_an_archive_without_zip64() -> None:
    assert zipfile.ZIP_FILECOUNT_LIMIT == MOST


def test_files_and_directories_of_the_installed_distributions_and_the_sources_count(limit: MakeLimit) -> None:
    # PEX-INFO, __main__.py, __pex__/, __pex__/__init__.py; main.py, shop/, shop/deep/, shop/deep/a.txt
    # .deps/, the distribution, idna/, its two modules, .dist-info/, WHEEL, METADATA, RECORD, .prefix/, bin/, idna
    assert limit(sources=("main.py", "shop/deep/a.txt")).number() == 4 + 4 + 12


def test_what_pex_does_not_pack_does_not_count(environment: FakeEnvironment, limit: MakeLimit) -> None:
    before = limit().number()
    info = environment.site_packages / "idna-1.0.dist-info"
    with (info / "RECORD").open("a", encoding="utf-8") as record:
        record.write(f"{info.name}/INSTALLER,,\n{info.name}/REQUESTED,,\nidna/core.cpython-311.pyc,,\n")
    assert limit().number() == before


def test_an_excluded_distribution_does_not_count(limit: MakeLimit) -> None:
    assert limit(exclude=["IDNA"]).number() == 4 + 1
    assert limit(exclude=["idna<1"]).number() == limit().number()  # another version ships


def test_the_members_of_the_dependency_pex_are_counted_exactly(limit: MakeLimit, tmp_path: Path) -> None:
    sources = {"main.py": b"", "shop/deep/a.txt": b""}
    small = SmallPex(sources=sources)
    repository = write_repository(tmp_path / "dependencies.pex", small.distributions)
    with zipfile.ZipFile(small.write(tmp_path / "x.pex")) as archive:
        real = len(archive.namelist())
    one = limit(sources=tuple(sources), execution_mode="zipapp")
    assert one.number(repository) == real
    assert limit(sources=tuple(sources)).number(repository) == real + 16  # pex's tools
    modules = 5  # main.py, __main__.py, __pex__/__init__.py and two of the three in the bootstrap that are modules
    assert limit(sources=tuple(sources), execution_mode="zipapp", compile=True).number(repository) == real + modules + 1


def test_the_files_of_the_projects_wheel_count_as_pex_installs_them(limit: MakeLimit, tmp_path: Path) -> None:
    files = {
        "shop/__init__.py": b"",
        "shop/old.pyc": b"",
        "shop-1.0.data/scripts/tool": b"",
        "shop-1.0.data/purelib/shop/more.py": b"",
        "shop-1.0.data/data/share/shop.txt": b"",
        "shop-1.0.dist-info/entry_points.txt": b"[console_scripts]\nserve = shop:a\n[gui_scripts]\nshow = shop:b\n",
    }
    wheel = write_wheel(tmp_path / WHEEL, files)
    # the wheel, shop/ (3), .prefix/, bin/ (4), share/ (2), .layout.json, .dist-info/ (5), .pex-info/ (2)
    assert limit(wheel=wheel, sources=()).number() - limit(sources=()).number() == 1 + 3 + 1 + 4 + 2 + 1 + 5 + 2


def test_distributions_are_stored_as_installed_if_they_fit(limit: MakeLimit, most: Callable[[int], None]) -> None:
    number = limit().number()
    most(number)
    assert limit().pre_install()
    most(number - 1)
    assert not limit().pre_install()


def test_the_exact_number_has_the_last_word(limit: MakeLimit, most: Callable[[int], None], tmp_path: Path) -> None:
    repository = write_repository(tmp_path / "dependencies.pex", SmallPex().distributions)
    most(limit().number(repository) - 1)
    assert limit().pre_install()
    assert not limit().pre_install(repository)


@pytest.mark.parametrize("layout", ["packed", "loose"])
def test_a_directory_has_no_limit(limit: MakeLimit, most: Callable[[int], None], layout: str) -> None:
    most(1)
    assert limit(layout=layout).pre_install()
    assert not limit(layout=layout, pre_install_wheels=False).pre_install()


def test_a_setting_that_cannot_be_met_is_an_error_before_anything_is_packed(
    limit: MakeLimit, most: Callable[[int], None]
) -> None:
    assert limit(pre_install_wheels=True).pre_install()
    assert not limit(pre_install_wheels=False).pre_install()
    most(15)
    with pytest.raises(NoxPexError, match="remove the key, or set layout") as caught:
        limit(pre_install_wheels=True).pre_install()
    assert caught.value.code == "config"
    problem = "tool.nox-pex.binary.shop.pre-install-wheels is true, and shop has 17 files and directories"
    assert caught.value.problem.startswith(problem)


@pytest.mark.parametrize("written", [{}, {"pre_install_wheels": False}])
def test_sources_that_are_too_many_alone_are_an_error(
    limit: MakeLimit, most: Callable[[int], None], written: dict[str, bool]
) -> None:
    sources = tuple(f"data/{number}" for number in range(20))
    most(20 + 1 + 4 + 2)  # data/, pex's own, .deps/ and a wheel
    assert not limit(sources=sources, **written).pre_install()
    most(20 + 1 + 4 + 2 - 1)
    with pytest.raises(NoxPexError, match=r'has 27 files and directories.*or set layout = "packed"$') as caught:
        limit(sources=sources, **written).pre_install()
    assert caught.value.code == "config"


def test_a_python_that_reads_zip64_runs_whatever_the_setting_demands(
    make_target: MakeTarget, most: Callable[[int], None], tmp_path: Path, python: Path
) -> None:
    most(10)
    environment = FakeEnvironment(tmp_path / "new", python=python, version="3.13.0")
    environment.add("idna", {"idna/__init__.py": ""})

    def limit(**table: Any) -> MemberLimit:
        target = make_target(**table)
        return MemberLimit(target=target, installed=environment.installed(), wheel=None, sources=("a", "b", "c", "d"))

    assert limit(pre_install_wheels=True).pre_install()
    assert not limit().pre_install()  # other tools do not read ZIP64
