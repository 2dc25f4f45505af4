"""The programs in a project's files: modules that can be started, and the workers of queues. Nothing is imported.

Sources: the command lines of Celery, RQ, Dramatiq and arq, and what each prints when it is ready.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from nox_pex.project.python_files import PythonFile
from nox_pex.project.required import Required

_MAIN: Final = re.compile(r"^def main\(\s*\)", re.MULTILINE)
_RUNS: Final = re.compile(r"^if __name__ == [\"']__main__[\"']:", re.MULTILINE)
_OPTIONS: Final = re.compile(r"^\s*(?:import|from) (?:argparse|click|typer|fire|docopt|cyclopts)\b", re.MULTILINE)
_SPECIAL: Final = re.compile(r"[.^$*+?{}\[\]\\|()]")


class Program(Struct, frozen=True, kw_only=True):
    """A program: the key and the value of its entry point, and its file, None if that is not known."""

    entry: Mapping[str, str]
    file: PythonFile | None


class Worker(Struct, frozen=True, kw_only=True):
    """The worker of a queue: its script and arguments, the pattern of its line when it is ready, and its file."""

    script: str
    args: tuple[str, ...]
    ready: str
    file: PythonFile | None = None


class _Queue(Struct, frozen=True, kw_only=True):
    """A library for queues: its script, the pattern in the sources, and the worker's arguments and line.

    In the arguments, `MODULE` and `VARIABLE` are those of what the pattern finds. Without a pattern, the dependency
    is enough.
    """

    script: str
    pattern: re.Pattern[str] | None
    args: tuple[str, ...]
    ready: str


_QUEUES: Final = (
    _Queue(
        script="celery",
        pattern=re.compile(r"^(?P<variable>\w+)(?:\s*:[^=\n]+)?\s*=\s*(?:\w+\.)?Celery\(", re.MULTILINE),
        args=("--app", "MODULE:VARIABLE", "worker", "--loglevel", "INFO"),
        ready="celery@.* ready",
    ),
    _Queue(
        script="dramatiq",
        pattern=re.compile(r"^@(?:dramatiq\.)?(?P<variable>actor)\b", re.MULTILINE),
        args=("MODULE",),
        ready="Worker process is ready for action",
    ),
    _Queue(
        script="arq",
        pattern=re.compile(r"^class (?P<variable>WorkerSettings)\b", re.MULTILINE),
        args=("MODULE.VARIABLE",),
        ready="Starting worker",
    ),
    _Queue(script="rq", pattern=None, args=("worker",), ready="Listening on"),
)


def worker(sources: Sequence[PythonFile], needed: Required) -> Worker | None:
    """Return the worker of a queue among the dependencies; None if there is none."""
    for queue in _QUEUES:
        if queue.script not in needed:
            continue
        if queue.pattern is None:
            return Worker(script=queue.script, args=queue.args, ready=queue.ready)
        for each in sources:
            if match := queue.pattern.search(each.text):
                filled = (part.replace("MODULE", each.module) for part in queue.args)
                args = tuple(part.replace("VARIABLE", match["variable"]) for part in filled)
                return Worker(script=queue.script, args=args, ready=queue.ready, file=each)
    return None


def programs(sources: Sequence[PythonFile]) -> Iterator[Program]:
    """Yield what can be started: packages, functions `main`, and files that are scripts."""
    for each in sources:
        if each.path.endswith("/__main__.py"):
            yield Program(entry={"entry-point": each.module.removesuffix(".__main__")}, file=each)
    for each in sources:
        if each.can_be_imported and _MAIN.search(each.text):
            yield Program(entry={"entry-point": f"{each.module}:main"}, file=each)
    for each in sources:
        if _RUNS.search(each.text):
            entry = {"entry-point": each.module} if each.can_be_imported else {"executable": each.path}
            yield Program(entry=entry, file=each)


def file_of(entry: Mapping[str, str], sources: Sequence[PythonFile], scripts: Mapping[str, str]) -> PythonFile | None:
    """Return the file in which the program of an entry point begins; None if it is not among the sources."""
    if "executable" in entry:
        return next((each for each in sources if each.path == entry["executable"]), None)
    reference = scripts.get(entry["script"], "") if "script" in entry else entry["entry-point"]
    module = reference.partition(":")[0].strip()
    return next((each for each in sources if each.module in (f"{module}.__main__", module)), None)


def has_options(sources: Sequence[PythonFile]) -> bool:
    """Whether one of the files reads a command line by a library, which then knows `--help`."""
    return any(_OPTIONS.search(each.text) for each in sources)


def as_pattern(text: str) -> str:
    """Return a regular expression for `text`, without the escapes that nothing needs."""
    return _SPECIAL.sub(r"\\\g<0>", text)
