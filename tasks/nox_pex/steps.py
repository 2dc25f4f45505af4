"""The steps in their order: the one table that both fronts are made from, Nox's sessions and Invoke's tasks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from nox_pex.errors import NoxPexError

if TYPE_CHECKING:
    from nox_pex.pipeline import Pipeline

# Nothing of the pipeline is imported here: a noxfile that registers us is loaded for every `nox --list`.


class Step(NamedTuple):
    """A step as users know it.

    `after` are the steps that it needs, `does` is its one line in a list, `options` are the names of the options that
    are its own (`OPTIONS` in `words`). `makes` is whether it works towards a binary, so that it stands aside where a
    finished one is handed in; `by_binary` whether it can be done for some binaries only; `alone` whether it must have
    the project to itself. `settles` is what it installs for itself, where Nox is told to install and no more.
    """

    name: str
    after: tuple[str, ...]
    does: str
    run: Callable[[Pipeline], None]
    options: tuple[str, ...] = ()
    makes: bool = False
    by_binary: bool = True
    alone: bool = False
    settles: Callable[[Pipeline], None] | None = None


STEPS: Final = {
    step.name: step
    for step in (
        Step(
            name="install",
            after=(),
            does="Install what ships, from poetry.lock, with Poetry.",
            run=lambda pipeline: pipeline.install(),
            options=("force",),
            makes=True,
            settles=lambda pipeline: pipeline.install(),
        ),
        Step(
            name="freeze",
            after=("install",),
            does="Pin what was installed, with every hash of the lock.",
            run=lambda pipeline: pipeline.freeze(),
            makes=True,
        ),
        Step(
            name="pex",
            after=("freeze",),
            does="Build the PEX file.",
            run=lambda pipeline: pipeline.pex(),
            options=("jobs",),
            makes=True,
            settles=lambda pipeline: pipeline.provide_pex(),
        ),
        Step(
            name="smoke",
            after=("pex",),
            does="Launch the PEX file from an empty directory and check what it answers.",
            run=lambda pipeline: pipeline.smoke(),
            options=("binary", "only", "keep", "serve", "timeout", "port"),
        ),
        Step(
            name="verify",
            after=("pex",),
            does="Prove what is in the PEX file: nothing missing, changed, secret or different when it is built again.",
            run=lambda pipeline: pipeline.verify(),
            options=("binary", "deep"),
        ),
        Step(
            name="image",
            after=("pex",),
            does="Build a container image around the PEX file, and check what its container answers.",
            run=lambda pipeline: pipeline.image(),
            options=("binary", "from-source", "keep", "serve", "timeout", "port"),
        ),
        Step(
            name="platform",
            after=(),
            does="Print the description of this Python, or of a container image's, for `complete-platforms`.",
            run=lambda pipeline: pipeline.platform(),
            options=("image",),
            by_binary=False,
        ),
        Step(
            name="cache-key",
            after=(),
            does="Print a key for the caches of CI, made of the lock, the Python and the tools.",
            run=lambda pipeline: pipeline.cache_key(),
            by_binary=False,
        ),
        Step(
            name="clean",
            after=(),
            does="Remove what was made for the project, and what the shared caches have too much.",
            run=lambda pipeline: pipeline.clean(),
            options=("dry-run",),
            alone=True,
        ),
    )
}
"""Every step by its name, each after those that it needs."""


def kept(only: Sequence[str] | None) -> tuple[Step, ...]:
    """The steps in `only` (None: all) and what they need, in the order in which they run.

    Raises `NoxPexError` `usage` for a name that is no step's.
    """
    names: set[str] = set()
    for name in only if only is not None else STEPS:
        if name not in STEPS:
            raise NoxPexError("usage", f"register(only=…) has {name!r}", f"the sessions are {', '.join(STEPS)}")
        names.add(name)
        names.update(step.name for step in kept(STEPS[name].after))
    return tuple(step for step in STEPS.values() if step.name in names)


def options(step: Step) -> frozenset[str]:
    """The names of the options of `step` and of those before it, which are run with it."""
    return frozenset(name for needed in kept([step.name]) for name in needed.options)


def perform(step: Step, pipeline: Pipeline) -> None:
    """Run `step`, or say that it stands aside for a finished binary that was handed in. Raises `NoxPexError`."""
    from nox_pex import files  # noqa: PLC0415 (see the top)

    if step.makes and pipeline.words.instead is not None:
        pipeline.say(f"{step.name}: stands aside for {pipeline.words.instead}")
        return
    with contextlib.ExitStack() as stack:
        stack.enter_context(files.writing(f"in {pipeline.state}"))
        if not step.alone:
            waiting = f"{step.name}: waiting for another run that cleans"
            stack.enter_context(files.using(pipeline.state, waiting=lambda: pipeline.say(waiting)))
        step.run(pipeline)
