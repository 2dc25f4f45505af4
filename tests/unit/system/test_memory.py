from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.system import memory

MACHINE = "MemTotal:       24684096 kB\nMemFree:         1000 kB\nMemAvailable:    2000 kB\nHugePages_Total:       0\n"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    (tmp_path / "meminfo").write_text(MACHINE, "ascii")
    return tmp_path / "meminfo"


def test_of_a_machine_it_is_what_is_left_without_swapping(tmp_path: Path, machine: Path) -> None:
    assert memory.available(machine=machine, container=tmp_path) == 2000 * 1024
    (tmp_path / "memory.max").write_text("max\n", "ascii")
    assert memory.available(machine=machine, container=tmp_path) == 2000 * 1024


@pytest.mark.parametrize(("limit", "available"), [(1_000_000, 400_000), (500_000, 0), (100_000_000, 2000 * 1024)])
def test_of_a_container_it_is_the_rest_of_its_limit(tmp_path: Path, machine: Path, limit: int, available: int) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n", "ascii")
    stat = "anon 300000\nfile 700000\nkernel 100000\nshmem 200000\nsock 5\n"  # `file` can be dropped, but for `shmem`
    (tmp_path / "memory.stat").write_text(stat, "ascii")
    assert memory.available(machine=machine, container=tmp_path) == available


def test_a_system_that_does_not_say_it_has_none(tmp_path: Path) -> None:
    assert memory.available(machine=tmp_path / "none", container=tmp_path) == 0
    (tmp_path / "odd").write_text("MemAvailable: many\n\n", "ascii")
    assert memory.available(machine=tmp_path / "odd", container=tmp_path) == 0
