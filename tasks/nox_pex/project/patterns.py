"""The patterns of `sources.include` and `sources.exclude`, which have the syntax of a `.gitignore` (gitignore(5))."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from nox_pex.errors import NoxPexError
from nox_pex.system.wording import nearest


def matching(pattern: str, names: Iterable[str]) -> set[str]:
    """The files among `names` that `pattern` matches, directly or through a directory above them."""
    segments = [segment for segment in pattern.split("/") if segment not in {"", "."}]
    if "/" not in pattern.rstrip("/"):  # only a slash before the end ties a pattern to the root
        segments.insert(0, "**")
    if pattern.endswith("/"):  # the content of a directory, not a file of that name
        segments.append("**")
    return {name for name in names if _covers(segments, name.split("/"))}


def matching_any(patterns: Iterable[str], names: Iterable[str]) -> set[str]:
    """The files among `names` that at least one of `patterns` matches."""
    known = set(names)
    return {name for pattern in patterns for name in matching(pattern, known)}


def quoted(text: str) -> str:
    """`text` as a string in TOML."""
    return json.dumps(text, ensure_ascii=False)


def nothing_matches(pattern: str, root: Path, present: Iterable[str], *, key: str) -> NoxPexError:
    """The error `source-missing` for a pattern that matches none of the files `present` in `root`.

    `key` is the dotted key of the setting that has the pattern.
    """
    problem = f"{key}: {quoted(pattern)} matches no file in {root}"
    if os.path.lexists(root / pattern.strip("/")):
        never = "hidden files, caches, environments, built files, project files and links out of the project never ship"
        return NoxPexError("source-missing", f"{problem} that may ship", f"remove it: {never}")
    known = {f"{name[:end]}/" for name in present for end in range(len(name)) if name[end] == "/"} | set(present)
    near = nearest(pattern, known)
    return NoxPexError("source-missing", problem, f"use {quoted(near)}" if near else "correct or remove the pattern")


def _covers(segments: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a pattern matches a path, or a directory above it, segment by segment."""
    if not segments:
        return True
    if segments[0] == "**":
        return any(_covers(segments[1:], parts[skipped:]) for skipped in range(len(parts)))
    return bool(parts) and fnmatchcase(parts[0], segments[0]) and _covers(segments[1:], parts[1:])
