"""The rows of an index: what each binary is now, from the results in its `dist`, without opening the binary."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from nox_pex.evidence.kinds import KINDS
from nox_pex.page import mark, proofs
from nox_pex.page.gather import File, Results
from nox_pex.page.model import Boot, Proof, Row
from nox_pex.page.shown_results import boots
from nox_pex.pex import member_list
from nox_pex.pex.target import Target
from nox_pex.system import files
from nox_pex.version import __version__

_RESULTS: Final = ("smoke.json", "verify.json", "cdx.json", "image.json", "push.json", "pex.intoto.jsonl")
"""The endings of the files that a page shows."""


_PREFERRED: Final = ("warm", "cold", "container")
"""The conditions whose time an index shows, the first one that there is."""


def fingerprint(target: Target, *, sha256: str) -> str:
    """Return a digest of everything in `dist` that the page of a file shows. It is the digest of the page's mark.

    It is taken before the files are read: if one changes meanwhile, the page counts as stale.
    """
    statements = target.file("attestations")
    paths = [target.record, *map(target.file, _RESULTS), *(statements / f"{kind}.statement.json" for kind in KINDS)]
    value = [__version__, sha256, *map(_digest, paths)]
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _digest(path: Path) -> str:
    try:
        return files.digest(path)
    except OSError:
        return "unreadable"


def row(
    target: Target, file: File | None, results: Results | None, proven: Sequence[Proof], *, index: Path, project: str
) -> Row:
    """Return the row of a binary, in the index at `index`; `file` and `results` are None if it is not built."""
    if file is None or results is None:
        return Row(name=target.stem, project=project, outcome="not-run", reason="not built", **_link(target, "", index))
    found = proofs.verdict(proven, problem=file.problem)
    smoke, image = results.smoke.result, results.papers.image.result
    conditions = [*(smoke.conditions if smoke is not None else ()), *(image.conditions if image is not None else ())]
    boot = _preferred(boots(conditions))
    shipped = file.record.get("distributions")
    return Row(
        name=target.stem,
        project=project,
        outcome=found.outcome,
        reason=found.reason,
        size=file.size,
        growth=_growth(target, file),
        condition=boot.condition if boot is not None else "",
        boot=boot.ready_after if boot is not None else None,
        distributions=len(shipped) if shipped is not None else None,
        version=str(file.record.get("version") or ""),
        **_link(target, file.sha256, index),
    )


def broken(name: str, *, project: str, reason: str) -> Row:
    """Return the row of a project whose settings cannot be read."""
    return Row(name=name, project=project, outcome="failed", reason=reason)


def _preferred(found: Sequence[Boot]) -> Boot | None:
    """Return the boot whose time the index shows; None if the program was never ready."""
    ready = [each for each in found if each.ready_after is not None]
    order = {name: number for number, name in enumerate(_PREFERRED)}
    return min(ready, key=lambda each: order.get(each.condition, len(order)), default=None)


def _growth(target: Target, file: File) -> int | None:
    """Return how much larger the file is than the build before it, in bytes; None if that is not known."""
    for ending in (member_list.CURRENT, member_list.PREVIOUS):
        header = member_list.read_header(target.state_file(ending))
        if header is not None and header.sha256 != file.sha256:
            return file.size - header.size
    return None


def _link(target: Target, sha256: str, index: Path) -> Mapping[str, Any]:
    """Return the link to the page of a binary, and whether the page shows something else than is there now."""
    page = target.file("html")
    found = mark.read(page)
    if found is None or found.kind != "report":
        return {}
    relative = os.path.relpath(os.path.realpath(page), os.path.realpath(index.parent))
    is_stale = not sha256 or found.digest != fingerprint(target, sha256=sha256)
    return {"href": quote(relative), "is_stale": is_stale}
