"""All mutations for a PEX of a given layout."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from random import Random
from typing import Final

from tests.support.tampering import (
    bombs,
    contents,
    directories,
    odd_files,
    pex_info,
    pex_tree,
    raw,
    wheels,
    zip_structure,
)
from tests.support.tampering.coherent import made_coherent
from tests.support.tampering.mutation import Mutation, UnchangedError
from tests.support.tampering.pex_info import Edit
from tests.support.tampering.pex_tree import File, PexTree
from tests.support.tampering.raw import Change

_read = lru_cache(pex_tree.read)

_UNGUARDED: Final = frozenset(("own-wheel",))
"""Edits of what the project's build backend writes, with all digests right: only a second build knows better."""


def mutations(source: Path) -> Iterator[Mutation]:
    """Yield all mutations that apply to the PEX `source`, which pex built."""
    tree = _read(source)
    for name, edit in (contents.EDITS | wheels.EDITS | pex_info.EDITS).items():
        guarded = name not in _UNGUARDED
        yield Mutation(name=name, apply=partial(_edited, edit=edit, coherent=False), guarded=guarded)
        yield Mutation(name=f"{name}+digests", apply=partial(_edited, edit=edit, coherent=True), guarded=guarded)
    if not tree.is_directory:
        yield from _of_archives("", _changed)
    if tree.nested:
        yield from _of_archives("nested-", _changed_inside)
    if tree.is_directory:
        yield from _of_directories()


def _of_archives(prefix: str, apply: Callable[..., None]) -> Iterator[Mutation]:
    """Yield the mutations of an archive's bytes."""
    for name, change in (raw.CHANGES | zip_structure.CHANGES | bombs.CHANGES).items():
        yield Mutation(name=prefix + name, apply=partial(apply, change=change), heavy=name in bombs.CHANGES)


def _of_directories() -> Iterator[Mutation]:
    for name, change in raw.CHANGES.items():
        yield Mutation(name=f"file-{name}", apply=partial(_changed_file, change=change))
    for name, alter in (directories.GUARDED | directories.OTHERS).items():
        guarded, heavy = name in directories.GUARDED, name in directories.HEAVY
        yield Mutation(name=name, apply=partial(_altered, alter=alter), guarded=guarded, heavy=heavy)


def odd_ones() -> Iterator[Mutation]:
    """Yield the mutations that put something else in the place of the PEX."""
    for name, create in odd_files.FILES.items():
        yield Mutation(name=f"odd-{name}", apply=partial(_replaced, create=create), heavy=name == "sparse")


def _edited(source: Path, target: Path, chosen: Random, *, edit: Edit, coherent: bool) -> None:
    tree = _read(source).copy()
    edit(tree, chosen)
    if coherent:
        made_coherent(tree)
    before = _read(source)
    if tree.head == before.head and list(tree.files.items()) == list(before.files.items()):
        raise UnchangedError
    tree.write(target)


def _changed(source: Path, target: Path, chosen: Random, *, change: Change) -> None:
    before = source.read_bytes()
    after = change(before, chosen)
    if after == before:
        raise UnchangedError
    target.write_bytes(after)
    target.chmod(0o755)


def _changed_inside(source: Path, target: Path, chosen: Random, *, change: Change) -> None:
    """Change a nested archive; its digest in PEX-INFO is right sometimes."""
    tree = _read(source).copy()
    path = chosen.choice(sorted(tree.nested))
    before = tree.nested[path].data
    after = change(before, chosen)
    if after == before:
        raise UnchangedError
    _replace_archive(tree, path, after)
    if chosen.random() < 0.5:
        made_coherent(tree)
    tree.write(target)


def _replace_archive(tree: PexTree, path: str, data: bytes) -> None:
    outer = tree.nested[path].outer
    tree.nested = {name: nested for name, nested in tree.nested.items() if name != path}
    files: dict[str, File] = {}
    for name, file in tree.files.items():
        if name.startswith(f"{path}/"):
            files[path] = File(content=data, mode=outer.mode, record=outer.record)
        else:
            files[name] = file
    tree.files = files


def _changed_file(source: Path, target: Path, chosen: Random, *, change: Change) -> None:
    tree = _read(source).copy()
    file = tree.files[chosen.choice(tree.names())]
    before, file.content = file.content, change(file.content, chosen)
    if before == file.content:
        raise UnchangedError
    tree.write(target)


def _altered(source: Path, target: Path, chosen: Random, *, alter: Callable[[Path, Random], None]) -> None:
    shutil.copytree(source, target, symlinks=True)
    alter(target, chosen)


def _replaced(_: Path, target: Path, __: Random, *, create: Callable[[Path], None]) -> None:
    create(target)


def remove(path: Path) -> None:
    """Remove a mutated PEX, and what is next to it, however deep it is: `shutil.rmtree` of Python 3.11 recurses."""
    found = [str(each) for each in path.parent.glob(f"{path.name}*")]
    subprocess.run(["rm", "-rf", "--", *found], check=True)
