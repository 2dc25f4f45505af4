"""Notes of the last build of a binary about its distributions, so that the next build need not read them.

Every note is filed under a digest of everything that it follows from, and is only used under the same digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from nox_pex.pex.disagreements import Disagreements, Member
from nox_pex.pex.target import Contents, Target, platforms_of
from nox_pex.poetry import lock
from nox_pex.system import files, recipe


class Notes(Struct, frozen=True, kw_only=True):
    """The notes of one build.

    `packed` are keys of packed wheels by what was installed, and `packed_for` is the identity of their store.
    `disagreements` are those about the binary, and `disagreements_for` is what they follow from.
    """

    packed_for: str = ""
    packed: dict[str, str] = {}
    disagreements_for: str = ""
    disagreements: Disagreements = Disagreements()


def read(target: Target) -> Notes:
    """Return the notes of the last build of `target`; empty if there are none."""
    try:
        return msgspec.convert(files.read_json(_file(target)), Notes)
    except msgspec.ValidationError:
        return Notes()


def write(target: Target, notes: Notes) -> None:
    """Replace the notes of the last build of `target`."""
    files.write_json(_file(target), msgspec.to_builtins(notes))


def disagreements_follow_from(target: Target, contents: Contents, project: Member | None) -> str:
    """Return a digest of everything that decides the disagreements about a binary of `contents` and `project`."""
    decisive: Sequence[object] = [
        [[d.name, d.version, d.record, contents.path_digests.get(d.name, "")] for d in contents.distributions],
        contents.interpreter.identity,
        [platform.digest for platform in platforms_of(contents)],
        lock.digest(target.project.lock),
        None if project is None else _as_json(project),
        recipe.digest(),
    ]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()


def _as_json(project: Member) -> Mapping[str, object]:
    texts = {name: hashlib.sha256(content).hexdigest() for name, content in project.info.contents.items()}
    return {"texts": texts, "rewrites": msgspec.to_builtins(project.info.rewrites)}


def _file(target: Target) -> Path:
    return target.state_file("notes.json")
