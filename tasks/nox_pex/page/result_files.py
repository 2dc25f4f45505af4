"""The results in `dist` that are about one file: read, bounded and typed, whoever wrote them.

A result that is being written meanwhile is complete, because every result appears as a whole.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from nox_pex.evidence.results import SomeSha256
from nox_pex.page.model import Standing
from nox_pex.page.result_forms import Image, Push, Smoke, Verify
from nox_pex.pex.build_record import Sha256
from nox_pex.pex.target import Target
from nox_pex.system import files, strict_json

_SHOWN: Final = 12
"""Characters of a SHA-256 in a sentence."""


LARGEST: Final = 16 << 20
"""Bytes of a result that is read. One of a large service has less than a hundredth."""


_LONGEST_REASON: Final = 300
"""Characters of a reason for which a result cannot be read: it may quote the file."""


_R = TypeVar("_R", Smoke, Verify, Image, Push)


class Found(Struct, Generic[_R], frozen=True, kw_only=True):
    """A result, and its standing. `result` is None unless it is about this file; `note` says what is odd about it."""

    standing: Standing
    result: _R | None = None
    note: str = ""


class _Head(Struct, frozen=True, kw_only=True):
    """The keys by which a result of any form says what it is about."""

    name: str = ""
    sha256: SomeSha256 = ""
    finished: str | None = None


class _Own(Struct, frozen=True, kw_only=True):
    sha256: Sha256


_ELSEWHERE: Final = (
    "it comes from another checkout or machine, and this page takes its word; run `{step}` here to be sure"
)
"""Said of a result about which the state of this checkout knows nothing."""


def path_of(target: Target, step: str) -> Path:
    """Return the path of the result of `step`: `dist/NAME.smoke.json`."""
    return target.file(f"{step}.json")


def read(target: Target, step: str, form: type[_R], *, sha256: str) -> Found[_R]:
    """Return the result of `step` for the binary of `target`, if it is about the file with this SHA-256.

    A failed result counts even if somebody has changed it: nobody gains by that.
    """
    try:
        content = files.read_bytes(path_of(target, step), most=LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        return Found(standing="not-run")
    except OSError as error:
        return Found(standing="unreadable", note=f"it cannot be read: {error.strerror}")
    try:
        value = strict_json.parse(content)
        head = msgspec.convert(value, _Head)
        if (head.sha256, head.name) != (sha256, target.name):
            return Found(standing="other-file", note=_about(head, target))
        result = msgspec.convert(value, form)
    except (ValueError, RecursionError) as error:
        return Found(standing="unreadable", note=_cut(f"it is not one that this nox-pex writes: {error}"))
    return _judged(target, step, content, result)


def _judged(target: Target, step: str, content: bytes, result: _R) -> Found[_R]:
    """Return a result about this file with its standing: the state has the digest of the last one that `step` wrote."""
    try:
        own = msgspec.convert(files.read_json(target.state_file(f"{step}.json")), _Own).sha256
    except msgspec.ValidationError:
        if isinstance(result, Push):  # no state is kept of it
            return Found(standing="current", result=result)
        return Found(standing="current", result=result, note=_ELSEWHERE.format(step=step))
    if own != hashlib.sha256(content).hexdigest():
        return Found(
            standing="changed", result=result, note=f"it was changed after `{step}` wrote it; run `{step}` again"
        )
    return Found(standing="current", result=result)


def _about(head: _Head, target: Target) -> str:
    """Return a sentence about a result that is not about this file."""
    finished = f" of {_cut(head.finished)}" if head.finished else ""
    if head.name != target.name:
        return _cut(f"there is one{finished}, about the binary {head.name}")
    shown = f"SHA-256 {head.sha256[:_SHOWN]}…" if head.sha256 else "one that could not be read"
    return f"there is one{finished}, about another file ({shown})"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
