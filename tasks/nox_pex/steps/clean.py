"""`clean`: remove what nox-pex built for a project, known by its content and not by its name alone."""

from __future__ import annotations

import os
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from nox_pex.distributions import pex_file
from nox_pex.steps.context import Context
from nox_pex.system import files, locks
from nox_pex.system.wording import megabytes
from nox_pex.tools import cache

_AT_WORK: Final = re.compile(
    r"pex\.\w{8}|(?:pex\.json|(?:smoke|verify|image)\.(?:json|xml)|requirements\S*\.txt)\.\w{8}"
)
"""What stands behind a dot and a binary's name where something is being made, or was when a run was killed."""


def run(context: Context) -> None:
    """Remove what was built for this project, and whatever in the shared cache is too old or too much.

    If the user names binaries, only their files are removed. What a living process uses is left alone.
    """
    everything = not context.arguments.names
    removal = Removal(say=context.say, dry_run=context.arguments.dry_run)
    with locks.try_lock_directory(context.state) as alone:
        if context.state.exists() and not (alone and idle(context.state)):
            context.say(f"clean: another run is at work on {context.project.name}: left alone")
            return
        stems = [target.stem for target in context.targets]
        directory = context.root / context.settings.output_dir
        for output in outputs(directory, stems, suffix=context.suffix if everything else None):
            shown = os.path.relpath(output.path, context.root)
            if output.ours:
                removal.take(output.path, shown)
            else:
                context.say(f"clean: {shown} stays: nox-pex did not write it, or it was changed since")
        if everything and context.state.exists():
            removal.empty(context.state, "environments and what is remembered")
    if everything:
        shared = context.provisioner.caches.root
        for part in cache.evictable(cache.parts(shared), now=time.time()):
            if removal.dry_run or cache.remove(part):
                removal.tell(f"{part.path.relative_to(shared)} of the shared cache", part.size)
    removal.sum_up()


class Output(Struct, frozen=True, kw_only=True):
    """A file, or directory, in `output-dir` under a name that we give, and whether we made it."""

    path: Path
    ours: bool


class Removal(Struct, kw_only=True):
    """Takes things away and says so, a line for each; with `dry_run` it only says what it would take."""

    say: Callable[[str], None]
    dry_run: bool
    things: int = 0
    size: int = 0

    def take(self, path: Path, what: str) -> None:
        """Remove a file, or a directory with all that is in it."""
        self.tell(what, files.size(path))
        if not self.dry_run:
            _remove(path)

    def empty(self, directory: Path, what: str) -> None:
        """Remove all that is in a directory; it stays itself, since it is what others claim."""
        if size := files.size(directory):
            self.tell(what, size)
        if not self.dry_run:
            for entry in directory.iterdir():
                _remove(entry)

    def tell(self, what: str, size: int) -> None:
        """Say that `what` is removed, of `size` bytes."""
        self.things += 1
        self.size += size
        self.say(f"clean: {'would remove' if self.dry_run else 'removed'} {what}, {megabytes(size)}")

    def sum_up(self) -> None:
        """Say how much it was."""
        if self.things:
            self.say(f"clean: {megabytes(self.size)} in all{' (--dry-run)' if self.dry_run else ''}")
        else:
            self.say("clean: nothing to remove")


def idle(state: Path) -> bool:
    """Whether no tool is at work below `state` either, which may outlive the run that started it and was killed."""
    for lock in (*state.glob("*.lock"), *state.glob("install/sets/*.lock")):
        with locks.try_lock_directory(lock) as free:
            if not free and lock.exists():
                return False
    return True


def outputs(directory: Path, stems: Iterable[str], *, suffix: str | None) -> Iterator[Output]:
    """What there is in `directory` of the binaries whose files are called `stems`.

    With a `suffix` also what there is of those that only their build record still knows, and whose files end in it.
    """
    records = [path for path in directory.glob("*.pex.json") if _is_record(path)]
    known = {path.name.removesuffix(".pex.json"): _json(path)["name"] for path in records}
    gone = [stem for stem, name in known.items() if suffix is not None and stem == f"{name}{suffix}"]
    for stem in dict.fromkeys([*stems, *gone]):
        for ending, is_ours in _KINDS.items():
            path = directory / f"{stem}.{ending}"
            if path.exists():
                yield Output(path=path, ours=is_ours(path))
        for path in directory.glob(f".{stem}.*"):
            if _AT_WORK.fullmatch(path.name.removeprefix(f".{stem}.")):
                with locks.try_lock_directory(path) as unused:
                    if unused:
                        yield Output(path=path, ours=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _json(path: Path) -> dict[str, Any]:
    return files.read_json(path)


def _is_record(path: Path) -> bool:
    known = _json(path)
    return isinstance(known.get("inputs"), dict) and "nox-pex" in known.get("tools", {})


def _is_built(path: Path) -> bool:
    beside = path.with_name(f"{path.name}.json")
    return _is_record(beside) and _json(beside).get("sha256") == pex_file.digest(path)


def _is_result(*keys: str) -> Callable[[Path], bool]:
    """Whether a JSON file is a result of ours: it has a binary's name and the `keys` of its kind."""
    return lambda path: {"name", *keys} <= _json(path).keys()


def _is_beside(result: Callable[[Path], bool]) -> Callable[[Path], bool]:
    return lambda path: result(path.with_suffix(".json"))


def _is_half(path: Path) -> bool:
    """Whether a file is a half of a binary: there is an image's result, and it is a PEX file."""
    result = path.with_suffix("").with_suffix(".image.json")
    return _IMAGE(result) and zipfile.is_zipfile(path)


def _begins(*beginnings: str) -> Callable[[Path], bool]:
    def begins(path: Path) -> bool:
        with path.open(encoding="utf-8", errors="replace") as file:
            line = file.readline()
        return any(beginning in line for beginning in beginnings)

    return begins


_SMOKE: Final = _is_result("binary", "conditions")


_VERIFY: Final = _is_result("binary", "gates")


_IMAGE: Final = _is_result("base", "layers")


_KINDS: Final[dict[str, Callable[[Path], bool]]] = {
    "pex": _is_built,
    "smoke.xml": _is_beside(_SMOKE),
    "smoke.json": _SMOKE,
    "verify.json": _VERIFY,
    "deps.pex": _is_half,
    "own.pex": _is_half,
    "image.xml": _is_beside(_IMAGE),
    "image.json": _IMAGE,
    "Dockerfile": _begins("written by nox-pex"),
    "requirements.txt": _begins("made by nox-pex"),
    "requirements-direct.txt": _begins("# What pip takes no hash for"),
    "pex.json": _is_record,
}
"""The endings of what is left beside a binary, and how each is known for ours; what proves another one goes last."""
