"""Which distributions share a layer, if there are more of them than an image can have layers.

An image with another version of one distribution must have the layers of all others unchanged. So a group follows from
the name of a distribution alone, and not from its place in a list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

_SMALLEST: Final = 1 << 16
"""Bytes of a distribution that may get a layer alone if others have to share one."""


_SHARE: Final = 3
"""One layer in three is shared, if any is."""


def groups(sizes: Mapping[str, int], *, most: int) -> tuple[tuple[str, ...], ...]:
    """Return the names of distributions in at most `most` groups, in the order of their layers.

    `sizes` are their bytes by normalized name. Each has a layer alone if there are enough. Otherwise those above a
    size, a power of two, do, and the names of the others are divided by a digest.
    """
    names = sorted(sizes)
    if len(names) <= most:
        return tuple((name,) for name in names)
    number = max(1, most // _SHARE)
    limit = _SMALLEST
    while sum(size >= limit for size in sizes.values()) > most - number:
        limit *= 2
    alone = [(name,) for name in names if sizes[name] >= limit]
    shared: dict[int, list[str]] = {}
    for name in names:
        if sizes[name] < limit:
            shared.setdefault(_bucket(name, number), []).append(name)
    return (*alone, *(tuple(shared[bucket]) for bucket in sorted(shared)))


def _bucket(name: str, number: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % number
