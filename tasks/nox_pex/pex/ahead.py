"""Work for the binaries that is done while Poetry still installs: pex makes their runtime, and wheels are packed.

Everything goes into caches by its content, so a distribution that is not complete yet, or that changes later, costs
time and nothing else. What fails here is left to the build, which reports it.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Final

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.installed_wheel import UnsupportedDistributionError
from nox_pex.errors import NoxPexError
from nox_pex.pex import composer, runtime, tool
from nox_pex.pex.disagreements import Disagreements
from nox_pex.pex.distributed import InstalledDistribution
from nox_pex.pex.packed_wheels import DamagedFileError, PackedWheels
from nox_pex.pex.runtime import RuntimeRequest
from nox_pex.pex.target import Target
from nox_pex.pex.zip_members import UnsupportedArchiveError
from nox_pex.poetry.installed import Installed
from nox_pex.system import processors
from nox_pex.tools import pinned
from nox_pex.tools.provision import Provisioner

_INTERVAL: Final = 0.1
"""Seconds between two looks for distributions that Poetry has installed."""


_LEFT_TO_THE_BUILD: Final = (NoxPexError, OSError, ValueError)


@contextlib.contextmanager
def working_ahead(targets: Iterable[Target], environment: Environment, provisioner: Provisioner) -> Iterator[None]:
    """Work for `targets`, which are built from `environment`, while the block fills it. `provisioner` installs pex."""
    composed = [
        each for each in targets if composer.supports(each.table) and each.table.pre_install_wheels is not False
    ]
    if not composed or processors.count() < 2:  # noqa: PLR2004  # one is for the block
        yield
        return
    finished = threading.Event()
    threads = [
        threading.Thread(target=_quietly, args=(work, composed, environment, provisioner, finished), daemon=True)
        for work in (_make_runtimes, _pack_wheels)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        finished.set()
        for thread in threads:
            thread.join()


_Work = Callable[[list[Target], Environment, Provisioner, threading.Event], None]


def _quietly(
    work: _Work, targets: list[Target], environment: Environment, provisioner: Provisioner, finished: threading.Event
) -> None:
    with contextlib.suppress(*_LEFT_TO_THE_BUILD):
        work(targets, environment, provisioner, finished)


def _make_runtimes(
    targets: list[Target], environment: Environment, provisioner: Provisioner, finished: threading.Event
) -> None:
    """Let pex make the runtime of each binary, for the case that pex agrees with what Poetry installs."""
    contents = _contents(targets[0], environment)
    for target in targets:
        if finished.is_set():
            return
        version = target.settings.pex_version
        with ExitStack() as stack:
            provided = tool.provide(provisioner, version, interpreter=contents.interpreter)
            runtime.provide(
                RuntimeRequest.of(target, contents, disagreements=Disagreements(), pre_install=True),
                provisioner,
                pex_version=version or pinned.PEX,
                provide_pex=functools.partial(stack.enter_context, provided),
                hold=(),
            )


def _pack_wheels(
    targets: list[Target], environment: Environment, provisioner: Provisioner, finished: threading.Event
) -> None:
    """Pack each distribution as soon as it is complete: installers write its RECORD last."""
    contents = _contents(targets[0], environment)
    kinds = {(target.settings.pex_version or pinned.PEX, target.table.compress) for target in targets}
    stores = [
        PackedWheels(caches=provisioner.caches, pex_version=version, compress=compress) for version, compress in kinds
    ]
    done: set[tuple[str, str | None]] = set()
    while not finished.wait(_INTERVAL):
        for each in environment.distributions():
            if finished.is_set():
                return
            key = (each.directory.name, each.record)
            if each.record is None or each.direct or key in done:
                continue
            done.add(key)
            with contextlib.suppress(
                UnsupportedDistributionError, DamagedFileError, UnsupportedArchiveError, *_LEFT_TO_THE_BUILD
            ):
                laid_out = InstalledDistribution(contents=contents, distribution=each, is_noted=False).lay_out()
                for store in stores:
                    store.pack_one(laid_out)


def _contents(target: Target, environment: Environment) -> Installed:
    """What is installed so far, without a list of distributions."""
    return Installed(
        selection=target.selection, environment=environment, distributions=(), path_digests={}, seconds=0.0
    )
