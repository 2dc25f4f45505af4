"""The Nox front: `register()`, and sessions so thin that they only say which step runs in which environment."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import nox
import nox.registry
import nox.virtualenv

from nox_pex.errors import NoxPexError

if TYPE_CHECKING:
    from nox._options import NoxConfig

    from nox_pex.install import Base
    from nox_pex.pipeline import Pipeline
    from nox_pex.words import Words

# Nothing of the pipeline is imported at the top: a noxfile that registers us is loaded for every `nox --list`.

SessionName = Literal["install", "freeze", "pex", "smoke", "verify"]

_AFTER: Final[dict[str, tuple[str, ...]]] = {
    "install": (),
    "freeze": ("install",),
    "pex": ("freeze",),
    "smoke": ("pex",),
    "verify": ("pex",),
}


if TYPE_CHECKING:
    Step = Callable[[nox.Session, Pipeline], None]


_CHATTY: Final = ("httpx2", "httpcore2", "asyncio")
"""Libraries of ours that log at their work; Nox would show it all."""


def register(
    *projects: str | os.PathLike[str],
    python: str | Sequence[str] | None = None,
    prefix: str = "",
    only: Sequence[SessionName] | None = None,
) -> None:
    """Register the sessions `install`, `freeze`, `pex`, `smoke` and `verify` for a Poetry project.

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
    for step in _kept(only):
        name, after = prefix + step, [prefix + needed for needed in _AFTER[step]]
        if python is None or isinstance(python, str):
            _add(name, _session(step, directory, suffix=""), python=python, requires=after)
            continue
        # Each Python's session by its own name: Nox would only make them itself together with environments of its own.
        for one in python:
            session = _session(step, directory, suffix=f"-py{one}")
            _add(f"{name}-{one}", session, python=one, requires=[f"{needed}-{one}" for needed in after])
        _add(name, _umbrella(step), python=None, requires=[f"{name}-{one}" for one in python])


def _kept(only: Sequence[str] | None) -> tuple[str, ...]:
    """The sessions in `only` and what they need, in the order in which they run."""
    kept: set[str] = set()
    for name in only if only is not None else _AFTER:
        if name not in _AFTER:
            raise NoxPexError("usage", f"register(only=…) has {name!r}", f"the sessions are {', '.join(_AFTER)}")
        kept.add(name)
        kept.update(_kept(_AFTER[name]))
    return tuple(name for name in _AFTER if name in kept)


def _session(step: str, directory: Path, *, suffix: str) -> Callable[[nox.Session], None]:
    def run(session: nox.Session) -> None:
        with _one_line_errors(session):
            _check_system()  # before the steps are imported: there they could not be
            from nox_pex import files  # noqa: PLC0415 (see the top)

            with files.writing(f"in {session.env_dir.parent}"):
                _STEPS[step](session, _pipeline(session, directory, suffix=suffix))

    run.__doc__ = _STEPS[step].__doc__
    return run


def _umbrella(step: str) -> Callable[[nox.Session], None]:
    def run(session: nox.Session) -> None:
        """Nothing is left to do: what it requires did it."""

    run.__doc__ = f"{_STEPS[step].__doc__} For each Python."
    return run


def _add(name: str, session: Callable[[nox.Session], None], *, python: str | None, requires: Sequence[str]) -> None:
    if name in nox.registry.get():
        remedy = 'give ours another name, as in nox_pex.register(prefix="ship-")'
        raise NoxPexError("usage", f"the noxfile already has a session {name!r}", remedy)
    # The environments are made by us, under a lock and where a step needs one: Nox makes one for every session, and two
    # runs that start at once get in each other's way at it.
    decorate = nox.session(
        name=name,
        python=python,
        requires=requires,
        reuse_venv=True,
        venv_backend="none",
        default=False,
        allow_parallel=True,
    )
    decorate(session)


def _install(session: nox.Session, pipeline: Pipeline) -> None:
    """Install what ships, from poetry.lock, with Poetry."""
    if _stands_aside(session, pipeline):
        return
    home, flags = session.env_dir.absolute(), _flags(session)
    if flags.no_install and (home / "pyvenv.cfg").exists():
        session.log("install: left as it is (--no-install)")
        return
    if flags.reuse_venv == "never":
        shutil.rmtree(home, ignore_errors=True)
    pipeline.install(home)


def _freeze(session: nox.Session, pipeline: Pipeline) -> None:
    """Pin what was installed, with every hash of the lock."""
    if not _stands_aside(session, pipeline) and not _only_installs(session):
        pipeline.freeze()


def _pex(session: nox.Session, pipeline: Pipeline) -> None:
    """Build the PEX file."""
    if _stands_aside(session, pipeline):
        return
    if _only_installs(session):
        pipeline.provide_pex()
        return
    pipeline.pex()


def _smoke(session: nox.Session, pipeline: Pipeline) -> None:
    """Launch the PEX file from an empty directory and check what it answers."""
    if not _only_installs(session):
        pipeline.smoke()


def _verify(session: nox.Session, pipeline: Pipeline) -> None:
    """Prove what is in the PEX file: nothing missing, changed, secret or different when it is built again."""
    if not _only_installs(session):
        pipeline.verify()


_STEPS: Final[dict[str, Step]] = {
    "install": _install,
    "freeze": _freeze,
    "pex": _pex,
    "smoke": _smoke,
    "verify": _verify,
}


def _check_system() -> None:
    """Raise `NoxPexError` `usage` on a system that PEX files of this kind do not run on."""
    if sys.platform == "win32":
        raise NoxPexError("usage", "nox-pex does not run on Windows", "use WSL, or a Linux or macOS machine")


def _pipeline(session: nox.Session, directory: Path, *, suffix: str) -> Pipeline:
    from nox_pex import pipeline, words  # noqa: PLC0415 (see the top)

    if backend := _flags(session).force_venv_backend:
        problem = f"{session.name} cannot run with --force-venv-backend {backend} (--no-venv is short for none)"
        remedy = "leave it out: Poetry must install into an environment that is ours alone"
        raise NoxPexError("usage", problem, remedy)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    _ignored_by_git(session.env_dir.parent)
    root = directory.resolve()
    return pipeline.Pipeline(
        root=root,
        state=pipeline.state_directory(session.cache_dir.resolve(), root=root, suffix=suffix),
        base=_base(session),
        words=words.parse(session.posargs, invoked_from=Path(session.invoked_from)),
        environ=dict(os.environ),
        say=session.log,
        emit=lambda line: print(line, flush=True),  # noqa: T201 (CI systems read such lines from the standard output)
        verbose=bool(_flags(session).verbose),
        suffix=suffix,
    )


def _ignored_by_git(directory: Path) -> None:
    """Keep Nox's directory out of Git, as Nox does where it makes an environment itself."""
    ignore = directory / ".gitignore"
    if not ignore.exists():
        directory.mkdir(parents=True, exist_ok=True)
        ignore.write_text("*\n", "utf-8")


def _base(session: nox.Session) -> Base:
    """The Python of a session: the one it names, found as Nox finds it, or Nox's own."""
    from nox_pex.install import Base  # noqa: PLC0415

    python = session.python
    if not isinstance(python, str):
        return Base(name=str(Path(sys.executable).resolve()), find=lambda: Path(sys.executable).resolve())

    def find() -> Path:
        from python_discovery import get_interpreter  # noqa: PLC0415

        found = get_interpreter(python)
        if found is None or found.executable is None:
            raise nox.virtualenv.InterpreterNotFound(python)  # a skip, or a failure under CI, as for any session
        return Path(found.executable)

    return Base(name=python, find=find)


def _stands_aside(session: nox.Session, pipeline: Pipeline) -> bool:
    """Whether a step before the proof has nothing to do, since a finished binary was handed in; says so."""
    words: Words = pipeline.words
    if words.binary is not None:
        session.log(f"{session.name}: stands aside for --binary {words.binary}")
    return words.binary is not None


def _only_installs(session: nox.Session) -> bool:
    """Whether Nox was told to install what sessions need, and no more (`--install-only`); says so."""
    if _flags(session).install_only:
        session.log(f"{session.name}: no more than what it needs is installed (--install-only)")
        return True
    return False


@contextmanager
def _one_line_errors(session: nox.Session) -> Iterator[None]:
    """Show a failure of ours as the end of the failed tool's output and one line."""
    try:
        yield
    except NoxPexError as error:
        from nox_pex.secrets import Secrets  # noqa: PLC0415 (only now)

        for line in error.log:
            session.log(f"  | {line}")
        session.error(Secrets.of(os.environ).mask(str(error)))


def _flags(session: nox.Session) -> NoxConfig:
    """The flags of this run of Nox, which has no public way to ask for them."""
    return session._runner.global_config  # noqa: SLF001
