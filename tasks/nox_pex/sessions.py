"""The Nox front: `register()`, and sessions so thin that they only say which step runs in which environment."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import nox
import nox.registry

from nox_pex.errors import NoxPexError

if TYPE_CHECKING:
    from nox._options import NoxConfig

    from nox_pex.pipeline import Pipeline
    from nox_pex.words import Words

# Nothing of the pipeline is imported at the top: a noxfile that registers us is loaded for every `nox --list`.

SessionName = Literal["install", "freeze", "pex", "smoke"]

_AFTER: Final[dict[str, str | None]] = {"install": None, "freeze": "install", "pex": "freeze", "smoke": "pex"}


if TYPE_CHECKING:
    Step = Callable[[nox.Session, Pipeline], None]


_CHATTY: Final = ("build", "httpx2", "httpcore2", "asyncio")
"""Libraries of ours that log at their work; Nox would show it all."""


def register(
    *projects: str | os.PathLike[str],
    python: str | Sequence[str] | None = None,
    prefix: str = "",
    only: Sequence[SessionName] | None = None,
) -> None:
    """Register the sessions `install`, `freeze`, `pex` and `smoke` for a Poetry project.

    `projects` are directories, from the noxfile's own, which is the default. `python` is as in `nox.session`. `prefix`
    is put before every name. `only` keeps those sessions and what they need.
    Reads nothing: settings are judged when a session runs. Ends Nox with one line, `error[usage]`, for an argument that
    cannot be used and for a name that the noxfile already has.
    """
    try:
        _register(projects, python=python, prefix=prefix, only=only)
    except NoxPexError as error:
        raise SystemExit(str(error)) from error


def _register(
    projects: Sequence[str | os.PathLike[str]],
    *,
    python: str | Sequence[str] | None,
    prefix: str,
    only: Sequence[str] | None,
) -> None:
    if len(projects) > 1:
        raise NoxPexError("usage", "register() takes one project for now", "call it once for each, with a `prefix`")
    directory = Path(projects[0]) if projects else Path()
    for name in _kept(only):
        after = _AFTER[name]
        _add(_STEPS[name], directory, name=prefix + name, python=python, after=prefix + after if after else None)


def _kept(only: Sequence[str] | None) -> tuple[str, ...]:
    """The sessions in `only` and what they need, in the order in which they run."""
    kept: set[str] = set()
    for name in only if only is not None else _AFTER:
        if name not in _AFTER:
            raise NoxPexError("usage", f"register(only=…) has {name!r}", f"the sessions are {', '.join(_AFTER)}")
        needed: str | None = name
        while needed:
            kept.add(needed)
            needed = _AFTER[needed]
    return tuple(name for name in _AFTER if name in kept)


def _add(
    step: Step,
    directory: Path,
    *,
    name: str,
    python: str | Sequence[str] | None,
    after: str | None,
) -> None:
    if name in nox.registry.get():
        remedy = 'give ours another name, as in nox_pex.register(prefix="ship-")'
        raise NoxPexError("usage", f"the noxfile already has a session {name!r}", remedy)

    several_pythons = python is not None and not isinstance(python, str)

    def run(session: nox.Session) -> None:
        with _one_line_errors(session):
            step(session, _pipeline(session, directory, suffix=f"-py{session.python}" if several_pythons else ""))

    run.__doc__ = step.__doc__
    decorate = nox.session(
        name=name,
        python=python,
        requires=[] if after is None else [after if python is None else f"{after}-{{python}}"],
        reuse_venv=True,
        venv_backend="uv|virtualenv",
        venv_params=["--no-seed"],
        default=False,
        allow_parallel=True,
    )
    decorate(run)


def _install(session: nox.Session, pipeline: Pipeline) -> None:
    """Install what ships, from poetry.lock, with Poetry."""
    if _stands_aside(session, pipeline):
        return
    if _flags(session).no_install and _reused(session):
        session.log("install: left as it is (--no-install)")
        return
    pipeline.install(session.env_dir.absolute())


def _freeze(session: nox.Session, pipeline: Pipeline) -> None:
    """Pin what was installed, with every hash of the lock."""
    if not _stands_aside(session, pipeline):
        pipeline.freeze()


def _pex(session: nox.Session, pipeline: Pipeline) -> None:
    """Build the PEX file."""
    if not _stands_aside(session, pipeline):
        pipeline.pex()


def _smoke(session: nox.Session, pipeline: Pipeline) -> None:
    """Launch the PEX file from an empty directory and check what it answers."""
    if _flags(session).install_only:
        session.log("smoke: nothing to install (--install-only)")
        return
    pipeline.smoke(session.env_dir.absolute())


_STEPS: Final[dict[str, Step]] = {
    "install": _install,
    "freeze": _freeze,
    "pex": _pex,
    "smoke": _smoke,
}


def _pipeline(session: nox.Session, directory: Path, *, suffix: str) -> Pipeline:
    from nox_pex import pipeline, words  # noqa: PLC0415 (see the top)

    pipeline.check_system()
    if not session.virtualenv.is_sandboxed or session.venv_backend not in ("uv", "virtualenv", "venv"):
        problem = f"{session.name} cannot run with the venv backend {session.venv_backend!r}"
        remedy = (
            "leave out --no-venv and --force-venv-backend: Poetry must install into an environment that is ours alone"
        )
        raise NoxPexError("usage", problem, remedy)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    root = directory.resolve()
    return pipeline.Pipeline(
        root=root,
        state=pipeline.state_directory(session.cache_dir.resolve(), root=root, suffix=suffix),
        words=words.parse(session.posargs, invoked_from=Path(session.invoked_from)),
        environ=dict(os.environ),
        say=session.log,
        emit=lambda line: print(line, flush=True),  # noqa: T201 (CI systems read such lines from the standard output)
        verbose=bool(_flags(session).verbose),
        suffix=suffix,
    )


def _stands_aside(session: nox.Session, pipeline: Pipeline) -> bool:
    """Whether a step before the proof has nothing to do, since a finished binary was handed in; says so."""
    words: Words = pipeline.words
    if words.binary is not None:
        session.log(f"{session.name}: stands aside for --binary {words.binary}")
    return words.binary is not None


@contextmanager
def _one_line_errors(session: nox.Session) -> Iterator[None]:
    """Show a failure of ours as the end of the failed tool's output and one line."""
    try:
        yield
    except NoxPexError as error:
        for line in error.log:
            session.log(f"  | {line}")
        session.error(str(error))


# Nox offers no public way to ask for these; they are all that is taken from behind its `Session`.


def _flags(session: nox.Session) -> NoxConfig:
    return session._runner.global_config  # noqa: SLF001


def _reused(session: nox.Session) -> bool:
    return bool(session.virtualenv._reused)  # noqa: SLF001
