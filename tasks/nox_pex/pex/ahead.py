"""Work for the binaries that is done during an install: pex makes their runtime, and wheels are packed.

Everything goes into caches by its content, so a distribution that is not complete yet, or that changes later, costs
time and nothing else. What fails here is left to the build, which reports it.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, PriorityQueue
from typing import Final, TypeAlias

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.installed_wheel import InstalledWheel, UnsupportedDistributionError
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


PACKER: Final = "nox-pex-packer"
"""The name of the threads that pack wheels."""


_Queue: TypeAlias = "PriorityQueue[tuple[int, int, InstalledWheel | None]]"
"""The wheels that wait to be packed, with their negative sizes in bytes and a number: the largest is taken first.

None ends a packer. It is the last to be taken.
"""


@contextlib.contextmanager
def working_ahead(
    targets: Iterable[Target], environment: Environment, provisioner: Provisioner
) -> Iterator[Callable[[str, str], None] | None]:
    """Work for `targets`, which are built from `environment`, while the block fills it. `provisioner` installs pex.

    Yield a function that the block calls for each complete distribution, by its name and version in the lock; None if
    nothing can be done ahead. After the block, the rest is still being packed: a build waits for what is not finished,
    because nothing is packed twice at the same time. If the block fails, the rest is left.
    """
    composed = [
        target for target in targets if composer.supports(target.table) and target.table.pre_install_wheels is not False
    ]
    if not composed or processors.count() < 2:  # noqa: PLR2004  # one is for the block
        yield None
        return
    contents = Installed(
        selection=composed[0].selection, environment=environment, distributions=(), path_digests={}, seconds=0.0
    )
    kinds = {(target.pex_version, target.table.compress) for target in composed}
    stores = [
        PackedWheels(caches=provisioner.caches, pex_version=version, compress=compress) for version, compress in kinds
    ]
    waiting: _Queue = PriorityQueue()
    numbers = itertools.count()
    packers = [
        threading.Thread(target=_pack_wheels, args=(stores, waiting), name=PACKER, daemon=True)
        for _ in range(processors.count() - 1)
    ]
    maker = threading.Thread(target=_make_runtimes, args=(composed, contents, provisioner), daemon=True)
    for thread in (*packers, maker):
        thread.start()
    try:
        yield lambda name, _version: _lay_out(contents, name, waiting, number=next(numbers))
    except BaseException:
        with contextlib.suppress(Empty):
            while True:
                waiting.get_nowait()
        raise
    finally:
        for _ in packers:
            waiting.put((1, next(numbers), None))
        maker.join()


def _make_runtimes(targets: Iterable[Target], contents: Installed, provisioner: Provisioner) -> None:
    """Let pex make the runtime of each binary, for the case that pex agrees with what Poetry installs."""
    for target in targets:
        with contextlib.suppress(*_LEFT_TO_THE_BUILD):
            runtime.provide_for(target, contents, provisioner, disagreements=Disagreements(), pre_install=True, hold=())


def _lay_out(contents: Installed, name: str, waiting: _Queue, *, number: int) -> None:
    """Lay the distribution `name` out, and put it into the queue."""
    with contextlib.suppress(*_LEFT_TO_THE_BUILD):
        distribution = contents.environment.find(name)
        if distribution is not None and not distribution.direct and distribution.record is not None:
            wheel = InstalledDistribution(contents=contents, distribution=distribution, is_noted=False).lay_out()
            waiting.put((-wheel.size, number, wheel))


def _pack_wheels(stores: Iterable[PackedWheels], waiting: _Queue) -> None:
    """Pack each wheel that waits, until the end of the queue."""
    while (wheel := waiting.get()[-1]) is not None:
        with contextlib.suppress(*_LEFT_TO_THE_BUILD):
            for store in stores:
                store.pack_one(wheel)
