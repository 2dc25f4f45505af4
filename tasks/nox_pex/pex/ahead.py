"""Work for the binaries that is done while Poetry still installs: pex makes their runtime, and wheels are packed.

Everything goes into caches by its content, so a distribution that is not complete yet, or that changes later, costs
time and nothing else. What fails here is left to the build, which reports it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Final

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.installed_wheel import UnsupportedDistributionError
from nox_pex.errors import NoxPexError
from nox_pex.pex import composer, runtime
from nox_pex.pex.disagreements import Disagreements
from nox_pex.pex.distributed import InstalledDistribution
from nox_pex.pex.packed_wheels import DamagedFileError, PackedWheels
from nox_pex.pex.target import Target
from nox_pex.pex.zip_members import UnsupportedArchiveError
from nox_pex.poetry.installed import Installed
from nox_pex.system import processors
from nox_pex.tools.provision import Provisioner

_LEFT_TO_THE_BUILD: Final = (
    NoxPexError,
    UnsupportedDistributionError,
    DamagedFileError,
    UnsupportedArchiveError,
    OSError,
    ValueError,
)
"""The errors that the build reports, or for which it lets pex do the work."""


@contextlib.contextmanager
def working_ahead(
    targets: Iterable[Target], environment: Environment, provisioner: Provisioner
) -> Iterator[Callable[[str, str], None] | None]:
    """Work for `targets`, which are built from `environment`, while the block fills it. `provisioner` installs pex.

    Yield a function that the block calls for each complete distribution, by its name and version in the lock; None if
    nothing can be done ahead. What is being packed at the end of the block is finished.
    """
    composed = [
        target for target in targets if composer.supports(target.table) and target.table.pre_install_wheels is not False
    ]
    if not composed or processors.count() < 2:  # noqa: PLR2004  # one is for the block
        yield None
        return
    complete: SimpleQueue[str | None] = SimpleQueue()
    contents = Installed(
        selection=composed[0].selection, environment=environment, distributions=(), path_digests={}, seconds=0.0
    )
    threads = [
        threading.Thread(target=_make_runtimes, args=(composed, contents, provisioner), daemon=True),
        threading.Thread(target=_pack_wheels, args=(composed, contents, provisioner, complete), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield lambda name, _version: complete.put(name)
    finally:
        with contextlib.suppress(Empty):
            while True:
                complete.get_nowait()  # what is left is packed by the build, on all processors
        complete.put(None)
        for thread in threads:
            thread.join()


def _make_runtimes(targets: Iterable[Target], contents: Installed, provisioner: Provisioner) -> None:
    """Let pex make the runtime of each binary, for the case that pex agrees with what Poetry installs."""
    for target in targets:
        with contextlib.suppress(*_LEFT_TO_THE_BUILD):
            runtime.provide_for(target, contents, provisioner, disagreements=Disagreements(), pre_install=True, hold=())


def _pack_wheels(
    targets: Iterable[Target], contents: Installed, provisioner: Provisioner, complete: SimpleQueue[str | None]
) -> None:
    """Pack each distribution whose name is in `complete`, until that is None."""
    kinds = {(target.pex_version, target.table.compress) for target in targets}
    stores = [
        PackedWheels(caches=provisioner.caches, pex_version=version, compress=compress) for version, compress in kinds
    ]
    while (name := complete.get()) is not None:
        with contextlib.suppress(*_LEFT_TO_THE_BUILD):
            distribution = contents.environment.find(name)
            if distribution is None or distribution.direct or distribution.record is None:
                continue
            laid_out = InstalledDistribution(contents=contents, distribution=distribution, is_noted=False).lay_out()
            for store in stores:
                store.pack_one(laid_out)
