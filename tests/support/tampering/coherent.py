"""All digests in a changed PEX, computed again as a careful attacker would: only what changed differs.

It is written from pex's source (`pex_builder.py`, `hashing.py`), and not from nox-pex.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from collections.abc import Iterable

from tests.support.tampering.pex_tree import INFO, LAUNCHERS, LAYOUT, PexTree, as_json


def made_coherent(tree: PexTree) -> None:
    """Compute the rows of each RECORD, the digests of the distributions and of the code, and pex's hash again.

    A PEX-INFO that is no table with the usual keys stays as it is.
    """
    for wheel in tree.wheels():
        _record(tree, wheel)
    try:
        info = tree.info
        before = info["pex_hash"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if INFO in tree.kept or not isinstance(before, str):
        return
    digests = info.get("distributions")
    if isinstance(digests, dict):
        as_files = bool(info.get("deps_are_wheel_files"))
        info["distributions"] = {
            wheel.split("/")[1]: _wheel_digest(tree, wheel, as_file=as_files) for wheel in tree.wheels()
        }
    if isinstance(info.get("code_hash"), str):
        code = [name for name in tree.own_names() if not name.rpartition("/")[2].startswith(".")]
        info["code_hash"] = _tree_hash("sha1", tree, code, prefix="")
    del info["pex_hash"]
    after = hashlib.sha1(as_json(info)).hexdigest()  # noqa: S324  # pex's choice
    tree.info = {**info, "pex_hash": after}
    for name in LAUNCHERS:
        if name in tree.files:
            tree.files[name].content = tree.files[name].content.replace(before.encode(), after.encode())
    if tree.head is not None:
        tree.head = tree.head.replace(before.encode(), after.encode())


def _record(tree: PexTree, wheel: str) -> None:
    """Give the RECORD of a distribution a right row for each file that changed, and none for files that are gone."""
    found = [name for name in tree.names(wheel) if name.endswith(".dist-info/RECORD") and name.count("/") == 3]
    if len(found) != 1 or found[0] in tree.kept:
        return
    record = tree.files[found[0]]
    rows = {row[0]: row for row in csv.reader(record.content.decode().splitlines()) if row}
    names = {name.removeprefix(wheel): name for name in tree.names(wheel)}
    right: dict[str, list[str]] = {}
    for path, row in rows.items():
        if path in names:
            right[path] = _row(path, tree.files[names[path]].content) if row[1] else row
    for path in names.keys() - rows.keys() - {LAYOUT}:
        right[path] = _row(path, tree.files[names[path]].content)
    if right != rows:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(right.values())
        record.content = text.getvalue().encode()


def _row(path: str, content: bytes) -> list[str]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return [path, f"sha256={digest}", str(len(content))]


def _wheel_digest(tree: PexTree, wheel: str, *, as_file: bool) -> str:
    if as_file:
        path = wheel[:-1]
        return hashlib.sha256(tree.archive_bytes(path)).hexdigest() if path in tree.nested else ""
    digest = _tree_hash("sha256", tree, [name for name in tree.names(wheel) if name != wheel + LAYOUT], prefix=wheel)
    layout = wheel + LAYOUT
    if layout in tree.files and layout not in tree.kept:
        tree.files[layout].content = as_json({**json.loads(tree.files[layout].content), "fingerprint": digest})
    return digest


def _tree_hash(algorithm: str, tree: PexTree, names: Iterable[str], *, prefix: str) -> str:
    """Pex's hash of a tree: all names, then all contents, without bytecode."""
    code = sorted(
        name for name in names if not name.endswith((".pyc", ".pyo")) and "__pycache__" not in name.split("/")
    )
    hasher = hashlib.new(algorithm)
    hasher.update("".join(name.removeprefix(prefix) for name in code).encode("utf-8", "surrogateescape"))
    for name in code:
        hasher.update(tree.files[name].content)
    return hasher.hexdigest()
