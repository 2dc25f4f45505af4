"""The build record, `dist/NAME.pex.json`: what a binary was made from, and how it is known again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from nox_pex.distributions.pex_file import digest
from nox_pex.system.fingerprint import Inputs, changes, digests


class Change(Struct, frozen=True, kw_only=True):
    """Why a binary has to be built again, in words, and the kinds of its inputs that differ.

    `kinds` is empty where the binary itself is not there or not known.
    """

    words: tuple[str, ...]
    kinds: frozenset[str] = frozenset()


def change(binary: Path, record: Mapping[str, Any], *, remembered: Inputs, inputs: Inputs) -> Change | None:
    """What changed since `binary` was built; None where it stands as it was built from just these inputs.

    `record` is the build record beside it; `remembered` are the inputs by item, as far as they are still known here,
    which only the words need.
    """
    if not binary.exists():
        return Change(words=("not there yet",))
    if not record:
        return Change(words=("no build record beside it",))
    if record.get("sha256") != digest(binary):
        return Change(words=("the file is not the one that was built",))
    now, then = digests(inputs), record.get("inputs", {})
    if now == then:
        return None
    kinds = frozenset(kind for kind in {*now, *then} if now.get(kind) != then.get(kind))
    if digests(remembered) == then:
        return Change(words=changes(remembered, inputs), kinds=kinds)
    return Change(words=tuple(f"{kind} changed" for kind in sorted(kinds)), kinds=kinds)
