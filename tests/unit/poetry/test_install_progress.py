from __future__ import annotations

from nox_pex.poetry.install_progress import InstallProgress
from nox_pex.system.messages import Message, Progress, working

OUTPUT = """\
Installing dependencies from lock file

Package operations: 2 installs, 1 update, 0 removals

  - Installing celery (5.3.6)
  - Updating idna (3.6 -> 3.7)
  - Installing celery (5.3.6): Failed
Note: This error originates from the build backend
  - Installing rich (13.7.1)
"""


def test_each_operation_that_begins_counts_once() -> None:
    shown: list[Message] = []
    with working(shown.append, "install: Poetry") as work:
        watch = InstallProgress()
        for line in OUTPUT.splitlines():
            watch(line, work)
    counts = [(each.done, each.total, each.current) for each in shown if isinstance(each, Progress)]
    assert counts == [
        (0, None, ""),
        (0, 3, ""),
        (1, 3, "celery"),
        (2, 3, "idna"),
        (2, 3, "celery"),
        (3, 3, "rich"),
        (3, 3, "rich"),
    ]


def test_lines_before_the_plan_and_more_operations_than_planned_do_no_harm() -> None:
    shown: list[Message] = []
    with working(shown.append, "install: Poetry") as work:
        watch = InstallProgress()
        for line in ("  - Installing early (1)", "Package operations: 1 install, 0 updates, 0 removals"):
            watch(line, work)
        for name in "ab":
            watch(f"  - Installing {name} (1)", work)
    last = shown[-1]
    assert isinstance(last, Progress)
    assert (last.done, last.total) == (1, 1)


def test_numbers_and_names_that_poetry_does_not_print_tell_nothing() -> None:
    shown: list[Message] = []
    with working(shown.append, "install: Poetry") as work:
        watch = InstallProgress()
        for line in (
            f"Package operations: {'9' * 5000} installs, 0 updates, 0 removals",
            "Package operations: 2 installs, 0 updates, 0 removals",
            f"  - Installing {'x' * 60_000} (1)",
        ):
            watch(line, work)
    assert [(each.done, each.total) for each in shown if isinstance(each, Progress)] == [(0, None), (0, 2), (0, 2)]
