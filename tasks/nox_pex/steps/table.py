"""The steps in their order: both front ends create their sessions, or tasks, from this table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from nox_pex.errors import NoxPexError
from nox_pex.system import lazy

# Every `nox --list` loads this module, so it imports the module of a step only when the step runs.


class Step(NamedTuple):
    """A step as users know it.

    `after` names the steps that it needs. `help` is its line in a list of sessions. `options` names the options
    (`OPTIONS` in `arguments`) that it uses, without those of the steps that it needs. `builds_binary`: it is skipped if
    the user names a finished binary. `by_binary`: the user can run it for some binaries only. `exclusive`: no other
    step of the project may run at the same time. `last`: it runs after all sessions that do not require it, in the
    order of the table. `signs`: it signs statements if there is a key. `yields`: a session of the noxfile with the same
    name stays, instead of this one. `surveys`: it needs to know the other projects of the run, and the names of the
    sessions (`Context.surroundings`). `prepare`: its module has a function `prepare(context)`, which only installs what
    the step needs, for Nox's `--install-only`.
    """

    name: str
    after: tuple[str, ...]
    help: str
    options: tuple[str, ...] = ()
    builds_binary: bool = False
    by_binary: bool = True
    exclusive: bool = False
    last: bool = False
    signs: bool = False
    yields: bool = False
    surveys: bool = False
    prepare: bool = False


STEPS: Final = {
    step.name: step
    for step in (
        Step(
            name="install",
            after=(),
            help="Install what ships, from poetry.lock, with Poetry.",
            options=("force",),
            builds_binary=True,
            prepare=True,
        ),
        Step(
            name="freeze",
            after=("install",),
            help="Pin what was installed, with every hash of the lock.",
            builds_binary=True,
        ),
        Step(
            name="pex",
            after=("freeze",),
            help="Build the PEX file.",
            options=("jobs",),
            builds_binary=True,
            prepare=True,
        ),
        Step(
            name="smoke",
            after=("pex",),
            help="Launch the PEX file from an empty directory and check its answers.",
            options=("binary", "only", "keep", "serve", "timeout", "port"),
        ),
        Step(
            name="verify",
            after=("pex",),
            help="Check the PEX file: complete, unmodified, no secrets, reproducible, within budget.",
            options=("binary", "deep"),
        ),
        Step(
            name="sbom",
            after=("pex",),
            help="Write the bill of materials of the PEX file, in CycloneDX, and check its licences.",
            options=("binary", "force"),
            prepare=True,
        ),
        Step(
            name="attest",
            after=("sbom", "smoke", "verify"),
            help="Write statements about the PEX file and its proofs, and sign them with a key.",
            options=("binary", "key"),
            last=True,
            signs=True,
        ),
        Step(
            name="image",
            after=("pex",),
            help="Build a container image with the PEX file, run it and check its answers.",
            options=("binary", "from-source", "keep", "serve", "timeout", "port"),
        ),
        Step(
            name="push",
            after=("image", "sbom"),
            help="Push the image, with statements about it, to the registry that its tags name.",
            options=("binary", "key", "no-evidence"),
            last=True,
            signs=True,
            yields=True,
        ),
        Step(
            name="report",
            after=("pex",),
            help="Write one page about the PEX file: verdict, sizes, boots, checks, licences, what changed.",
            options=("binary", "against"),
            last=True,
            yields=True,
            surveys=True,
        ),
        Step(
            name="diff",
            after=("pex",),
            help="Compare the PEX file with an older one, or with the previous build.",
            options=("binary", "against", "max-growth"),
            yields=True,
        ),
        Step(
            name="platform",
            after=(),
            help="Print the description of this Python, or of a container image's, for `complete-platforms`.",
            options=("image",),
            by_binary=False,
        ),
        Step(
            name="cache-key",
            after=(),
            help="Print a key for CI caches, made from the lock, the Python and the tool versions.",
            by_binary=False,
        ),
        Step(
            name="clean",
            after=(),
            help="Remove what was built for the project, and trim the shared cache.",
            options=("dry-run",),
            exclusive=True,
            surveys=True,
        ),
        Step(
            name="lock",
            after=(),
            help="Write poetry.lock with Poetry, from the package index that pip uses.",
            options=("force",),
            by_binary=False,
            yields=True,
        ),
    )
}
"""Every step by its name, each after the steps that it needs."""


def suffix_of(python: str) -> str:
    """Return what follows the name of a binary in file names for one of several Pythons: `-py3.12`.

    A Python may also be named by a path, whose slashes no file name can have.
    """
    return f"-py{re.sub('[^A-Za-z0-9._+]+', '-', python).strip('-')}"


_COMMAND: Final = lazy.pattern(rf"`nox -s ({'|'.join(map(re.escape, STEPS))})(?: -- (\S)|(?=[` ]))")


def with_prefix(text: str, prefix: str) -> str:
    """Return a message in which each command, such as `nox -s lock`, has the `prefix` of the registered sessions."""
    if not prefix:
        return text
    return _COMMAND.sub(lambda found: f"`nox -s {prefix}{found[0].removeprefix('`nox -s ')}", text)


def for_invoke(text: str) -> str:
    """Return a message in which each command is that of Invoke: `inv pex --name=NAME` for `nox -s pex -- NAME`."""

    def command(found: re.Match[str]) -> str:
        if found[2] is None:
            return f"`inv {found[1]}"
        return f"`inv {found[1]} {'' if found[2] == '-' else '--name='}{found[2]}"

    return _COMMAND.sub(command, text)


def load(step: Step) -> Any:
    """Import and return the module of `step`, with `run(context)`, and `prepare(context)` if the table says so."""
    return lazy.imported(f"nox_pex.steps.{step.name.replace('-', '_')}")


def with_needed(only: Sequence[str] | None) -> tuple[Step, ...]:
    """Return the steps in `only` (None means all) and the steps that they need, in the order in which they run.

    Raises `NoxPexError` `usage` for an unknown name.
    """
    names: set[str] = set()
    for name in only if only is not None else STEPS:
        if name not in STEPS:
            raise NoxPexError("usage", f"register(only=…) names {name!r}", f"the sessions are {', '.join(STEPS)}")
        names.add(name)
        names.update(step.name for step in with_needed(STEPS[name].after))
    return tuple(step for step in STEPS.values() if step.name in names)


def options(step: Step) -> frozenset[str]:
    """Return the names of the options of `step` and of the steps that run before it."""
    return frozenset(name for needed in with_needed([step.name]) for name in needed.options)
