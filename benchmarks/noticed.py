"""Check that nox-pex detects each kind of change. A wrong "unchanged" would be the worst error of all."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Final

from benchmarks import locks
from benchmarks.bench import Bench
from benchmarks.checkout import Checkout
from benchmarks.results import Check

PIECE: Final = "noticed"
REBUILT: Final = "rebuilt"
UNCHANGED: Final = "unchanged"


def measure(bench: Bench) -> None:
    """Make every kind of change in one checkout, one after another, and record what nox-pex did."""
    if not bench.wanted.has(PIECE):
        return
    checkout = bench.checkout("hello", PIECE)
    bench.build(checkout, PIECE)
    bench.say(f"noticed: {len(CHANGES)} kinds of change")
    for name, (expected, change) in CHANGES.items():
        change(checkout)
        bench.recorder.noticed.append(Check(change=name, expected=expected, seen=_seen(bench, checkout)))


def _seen(bench: Bench, checkout: Checkout) -> str:
    """The work that nox-pex reports, if the file agrees and the next run has nothing to do; else the contradiction."""
    before = _state(checkout)
    said = verdict(bench.build(checkout, PIECE))
    after = _state(checkout)
    if said == UNCHANGED:
        return UNCHANGED if after == before else "says unchanged, but the file changed"
    again = verdict(bench.build(checkout, PIECE))
    return said if again == UNCHANGED else f"{said}, and then {again}"


def verdict(output: str) -> str:
    """`rebuilt` or `unchanged`, from the output of a run of Nox."""
    if re.search(r"pex: (?:re)?building service", output):
        return REBUILT
    return UNCHANGED if "pex: service unchanged" in output else "unknown output"


def _state(checkout: Checkout) -> tuple[int, int, int]:
    """The attributes of the binary that change when it is written again."""
    seen = (checkout.root / "dist/service.pex").stat()
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


def _source(checkout: Checkout) -> None:
    checkout.edit("noticed")


def _same_size_and_date(checkout: Checkout) -> None:
    file = checkout.root / "main.py"
    seen = file.stat()
    file.write_text(file.read_text("utf-8").replace("noticed", "NOTICED"), "utf-8")
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def _new_file(checkout: Checkout) -> None:
    (checkout.root / "more.py").write_text("MORE = 1\n", "utf-8")


def _renamed(checkout: Checkout) -> None:
    (checkout.root / "more.py").rename(checkout.root / "less.py")


def _removed(checkout: Checkout) -> None:
    (checkout.root / "less.py").unlink()


def _bumped(checkout: Checkout) -> None:
    checkout.lock(locks.BUMPS[PIECE][0])


def _setting(checkout: Checkout) -> None:
    checkout.settings('inject-env = { GREETING = "1" }')


def _tampered(checkout: Checkout) -> None:
    with (checkout.root / "dist/service.pex").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")


def _smoke_setting(checkout: Checkout) -> None:
    file = checkout.root / "pyproject.toml"
    text = file.read_text("utf-8")
    table = "[tool.nox-pex.binary.service.smoke]\n"
    file.write_text(text.replace(table, f"{table}startup-timeout = 3.5\n"), "utf-8")


def _touched(checkout: Checkout) -> None:
    for file in (checkout.root, *checkout.root.glob("*.*")):
        os.utime(file)


def _test_file(checkout: Checkout) -> None:
    (checkout.root / "tests").mkdir()
    (checkout.root / "tests/test_main.py").write_text("", "utf-8")


CHANGES: Final[Mapping[str, tuple[str, Callable[[Checkout], None]]]] = {
    "a source file edited": (REBUILT, _source),
    "a source file edited, its size and date as before": (REBUILT, _same_size_and_date),
    "a new source file": (REBUILT, _new_file),
    "a source file renamed": (REBUILT, _renamed),
    "a source file removed": (REBUILT, _removed),
    "a dependency bumped in the lock": (REBUILT, _bumped),
    "a setting of the binary changed": (REBUILT, _setting),
    "the binary tampered with": (REBUILT, _tampered),
    "all files touched": (UNCHANGED, _touched),
    "a setting of the smoke test changed": (UNCHANGED, _smoke_setting),
    "a new test": (UNCHANGED, _test_file),
}
"""The changes in the order in which they are made, each with the expected result."""
