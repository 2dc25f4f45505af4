"""Record where a distribution came from if its metadata has another name than the lock (PEP 610).

Poetry looks for the distribution by the name in the lock, finds none, and so writes no `direct_url.json`.
Fact source: Poetry 2.5, `Executor._save_url_reference`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from nox_pex.distributions.environment import Distribution, Environment, text_of
from nox_pex.distributions.record import encode_digest, record_rows, record_text
from nox_pex.poetry.lock import Lock, Package


def complete(environment: Environment, lock: Lock, names: Collection[str]) -> set[str]:
    """Write the missing `direct_url.json` of the packages `names` in `lock`, which Poetry installed by another name.

    Returns those of `names` for which no such distribution is in `environment`.
    """
    locked = {package.name for package in lock.packages}
    found = environment.distributions()
    # pip, which makes some editable installs, has written the file.
    missing = set(names) - {package.name for each in found for package in lock.direct(each)}
    unknown = [each for each in found if not each.direct and each.name not in locked]
    for package in [package for package in lock.packages if package.name in missing and package.is_direct]:
        if (distribution := _installed_from(package, unknown, lock)) is not None:
            unknown.remove(distribution)
            missing.discard(package.name)
            _write(distribution, _direct_url(package, lock))
    return missing


def _installed_from(package: Package, candidates: Sequence[Distribution], lock: Lock) -> Distribution | None:
    """The one of `candidates` that was installed from `package`: it has its modules, or else its version."""
    source = lock.path_of(package)
    if source is not None and (same := [each for each in candidates if _has_modules(source, each)]):
        return same[0]
    versions = [each for each in candidates if each.version == package.version] or list(candidates)
    return versions[0] if versions else None


def _has_modules(source: Path, distribution: Distribution) -> bool:
    """Whether a module of `distribution` is in the directory `source`, or in its `src`."""
    names = (path for path, _, _ in record_rows(text_of(distribution.directory / "RECORD")) if path.endswith(".py"))
    return any((directory / name).is_file() for name in names for directory in (source, source / "src"))


def _direct_url(package: Package, lock: Lock) -> dict[str, Any]:
    """The content of the file, as Poetry writes it."""
    source, path = package.source, lock.path_of(package)
    if source is None:
        return {}
    if path is not None:
        info = {"dir_info": {"editable": True} if package.develop else {}} if path.is_dir() else {"archive_info": {}}
        return {"url": path.as_uri(), **info}
    if source.type == "url":
        return {"url": source.url, "archive_info": {}}
    commit = {"vcs": "git", "requested_revision": source.reference, "commit_id": source.resolved_reference}
    return {
        "url": source.url,
        "vcs_info": commit,
        **({"subdirectory": source.subdirectory} if source.subdirectory else {}),
    }


def _write(distribution: Distribution, content: dict[str, Any]) -> None:
    file = distribution.directory / "direct_url.json"
    text = json.dumps(content).encode()
    file.write_bytes(text)
    record = distribution.directory / "RECORD"
    digest = f"sha256={encode_digest(hashlib.sha256(text).digest())}"
    rows = [*record_rows(text_of(record)), (f"{file.parent.name}/{file.name}", digest, str(len(text)))]
    record.write_text(record_text(rows), "utf-8", "surrogateescape")
