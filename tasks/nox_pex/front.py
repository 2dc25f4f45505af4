"""What Nox's sessions and Invoke's tasks have in common: how a project's pipeline is set up, and how it fails."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nox_pex.errors import NoxPexError

if TYPE_CHECKING:
    from nox_pex.install import Base
    from nox_pex.pipeline import Pipeline

# Nothing of the pipeline is imported at the top: on a system that it does not run on, it could not be.

_CHATTY: Final = ("httpx2", "httpcore2", "asyncio")
"""Libraries of ours that log at their work; a front that shows logs would show it all."""


def pipeline(
    directory: Path,
    *,
    work: Path,
    python: str | None,
    suffix: str,
    missing: Callable[[str], Exception],
    posargs: Sequence[str],
    invoked_from: Path,
    say: Callable[[str], None],
    verbose: bool,
    parallel: bool = False,
) -> Pipeline:
    """The pipeline of the project in `directory`, which keeps its state and environments below `work`.

    `python` names the interpreter that it is for, as `nox.session` does; None for the one that runs this. Where it has
    to be found and is not there, what `missing` makes of its name is raised. `posargs` are the words of the user, with
    paths from `invoked_from`. `parallel` is whether others run beside it. Raises `NoxPexError` `usage`.
    """
    from nox_pex import files, pipeline, words  # noqa: PLC0415 (see the top)

    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    with files.writing(f"in {work}"):
        _ignored_by_git(work)
    root = directory.resolve()
    environ = dict(os.environ)
    key = (root, work, python, suffix, tuple(posargs), invoked_from, verbose, parallel)
    if (known := _PIPELINES.get(key)) is not None and known.environ == environ:
        return known
    _PIPELINES[key] = made = pipeline.Pipeline(
        root=root,
        state=pipeline.state_directory((work / ".cache").resolve(), root=root, suffix=suffix),
        base=_base(python, missing=missing),
        words=words.parse(posargs, invoked_from=invoked_from),
        environ=environ,
        say=say,
        emit=lambda line: print(line, flush=True),  # noqa: T201 (scripts read such lines from the standard output)
        verbose=verbose,
        parallel=parallel,
        suffix=suffix,
    )
    return made


_PIPELINES: Final[dict[object, Pipeline]] = {}
"""Those of this process: the steps of a project that run one after the other read its files once."""


def lines(error: NoxPexError) -> Iterator[str]:
    """What a user is shown of a failure: the end of the failed tool's output, and last the one line."""
    from nox_pex.secrets import Secrets  # noqa: PLC0415 (only now)

    yield from (f"  | {line}" for line in error.log)
    yield Secrets.of(os.environ).mask(str(error))


def check_system() -> None:
    """Raise `NoxPexError` `usage` on a system that PEX files of this kind do not run on."""
    if sys.platform == "win32":
        raise NoxPexError("usage", "nox-pex does not run on Windows", "use WSL, or a Linux or macOS machine")


def _ignored_by_git(directory: Path) -> None:
    """Keep the directory of environments and state out of Git, as Nox does where it makes an environment itself."""
    ignore = directory / ".gitignore"
    if not ignore.exists():
        directory.mkdir(parents=True, exist_ok=True)
        ignore.write_text("*\n", "utf-8")


def _base(python: str | None, *, missing: Callable[[str], Exception]) -> Base:
    """The Python that is named, found as Nox finds it, or the one that runs this."""
    from nox_pex.install import Base  # noqa: PLC0415

    if python is None:
        return Base(name=str(_own_python()), find=_own_python)

    def find() -> Path:
        from python_discovery import get_interpreter  # noqa: PLC0415

        found = get_interpreter(python)
        if found is None or found.executable is None:
            raise missing(python)
        return Path(found.executable)

    return Base(name=python, find=find)


@functools.cache
def _own_python() -> Path:
    return Path(sys.executable).resolve()
