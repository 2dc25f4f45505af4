"""`clean`: remove what nox-pex built for a project, known by its content and not by its name alone."""

from __future__ import annotations

import glob
import os
import re
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.distributions import pex_file, scie_file
from nox_pex.evidence.attestations import OUR_FILES
from nox_pex.evidence.kinds import PAYLOAD_TYPE
from nox_pex.image.config import OWN_LAYER
from nox_pex.oci import image_config, layout, media_types
from nox_pex.oci.manifest import FormatError
from nox_pex.page import mark
from nox_pex.pex import build_record, checksums, scies
from nox_pex.poetry import requirements
from nox_pex.steps import indexes
from nox_pex.steps.context import Context
from nox_pex.system import files, locks, os_errors
from nox_pex.system.messages import Say, skipped
from nox_pex.system.wording import size_text
from nox_pex.tools import cache


def run(context: Context) -> None:
    """Remove what was built for this project, and trim the shared cache.

    If the user names binaries, only their files are removed. Nothing is removed while another process uses it.
    """
    removal = Removal(say=context.say, dry_run=context.arguments.dry_run)
    with locks.try_lock(context.state) as locked:
        if context.state.exists() and not (locked and is_idle(context.state)):
            context.say(skipped(f"clean: skipped {context.project.name}, another run is using it"))
            return
        _clean_project(context, removal)
    if not context.arguments.names:
        _clean_cache(context, removal)
    removal.summarise()


def _clean_project(context: Context, removal: Removal) -> None:
    everything = not context.arguments.names
    stems = [target.stem for target in context.targets]
    directory = context.root / context.settings.output_dir
    found = outputs(directory, stems, suffix=context.suffix if everything else None)
    for output in (*(_indexes(context) if everything else ()), *found):
        shown = os.path.relpath(output.path, context.root)
        if output.is_ours:
            removal.remove(output.path, shown)
        else:
            context.say(f"clean: kept {shown}: nox-pex did not write it, or it was changed since")
    if everything and context.state.exists():
        removal.empty(context.state, "environments and state")


def _indexes(context: Context) -> Iterator[Output]:
    """Yield the indexes of several pages. Each `report` of one of the binaries in it writes it again."""
    yield from (Output(path=path, is_ours=True) for path in indexes.paths(context) if mark.is_index(path))


def _clean_cache(context: Context, removal: Removal) -> None:
    """Remove the parts of the shared cache that were not used for too long, or with which it exceeds its size limit."""
    root = context.provisioner.caches.root
    for part in cache.evictable(cache.parts(root), now=time.time()):
        if removal.dry_run or cache.remove(part):
            removal.note(f"{part.path.relative_to(root)} of the shared cache", part.size)


class Output(Struct, frozen=True, kw_only=True):
    """A file, or directory, in `output-dir` with a name that nox-pex uses, and whether nox-pex wrote it."""

    path: Path
    is_ours: bool


class Removal(Struct, kw_only=True):
    """Removes files and shows a line for each; with `dry_run` it only shows the lines."""

    say: Say
    dry_run: bool
    count: int = 0
    size: int = 0

    def remove(self, path: Path, name: str) -> None:
        """Remove a file, or a directory with everything in it; `name` is for the user."""
        self.note(name, files.size(path))
        self._remove(path)

    def empty(self, directory: Path, name: str) -> None:
        """Remove everything in a directory. The directory stays, because other processes lock it."""
        if size := files.size(directory):
            self.note(name, size)
        for entry in directory.iterdir():
            self._remove(entry)

    def _remove(self, path: Path) -> None:
        if not self.dry_run and (error := files.remove(path)) is not None:
            self.say(f"clean: {path} cannot be removed completely: {os_errors.described(error)}")

    def note(self, name: str, size: int) -> None:
        """Show, and count, that `name` is removed, of `size` bytes."""
        self.count += 1
        self.size += size
        self.say(f"clean: {'would remove' if self.dry_run else 'removed'} {name}, {size_text(size)}")

    def summarise(self) -> None:
        """Show the total size."""
        if self.count:
            self.say(f"clean: {size_text(self.size)} in total{' (--dry-run)' if self.dry_run else ''}")
        else:
            self.say("clean: nothing to remove")


def is_idle(state: Path) -> bool:
    """Whether no tool holds a lock below `state`. If a run is killed, a tool that it started may still work."""
    for lock in (*state.glob("*.lock"), *state.glob("install/sets/*.lock")):
        with locks.try_lock(lock) as free:
            if not free and lock.exists():
                return False
    return True


def outputs(directory: Path, stems: Iterable[str], *, suffix: str | None) -> Iterator[Output]:
    """Yield the files in `directory` of the binaries whose file names begin with `stems`.

    With a `suffix`, yield also those of binaries that are no longer in the settings: the ones with a build record
    whose file names have this suffix. Temporary files and directories are among them, unless a process uses them.
    """
    for stem in dict.fromkeys([*stems, *_former_stems(directory, suffix)]):
        yield from _scies(directory, stem)  # first: whether they are ours depends on the build record
        standard = requirements.pylock_name(stem)
        tests = {standard: _is_frozen, **{f"{stem}.{ending}": is_ours for ending, is_ours in _IS_OURS.items()}}
        for name, is_ours in tests.items():
            path = directory / name
            if path.exists():
                yield Output(path=path, is_ours=is_ours(path))
        ours = rf"{re.escape(stem)}\.(?:{_TEMPORARY})", rf"{re.escape(stem)}-[\w-]+\.sha256\.\w{{8}}"
        temporary = re.compile(rf"\.(?:{'|'.join(ours)}|{re.escape(standard)}\.\w{{8}})")
        for path in directory.glob(".*"):
            if temporary.fullmatch(path.name):
                with locks.try_lock(path) as unused:
                    if unused:
                        yield Output(path=path, is_ours=True)


def _scies(directory: Path, stem: str) -> Iterator[Output]:
    """Yield the files in `directory` with the name of a scie of the binary `stem`, and their checksum files.

    nox-pex wrote those in the build record; and, because a build may have been killed before it wrote the record, each
    scie of this name that is not in the record. A checksum file may be there without its scie.
    """
    recorded = {
        each.file: each.sha256 for each in scies.recorded(files.read_json(directory / f"{stem}.pex.json"), stem=stem)
    }
    names = {path.name.removesuffix(checksums.SUFFIX) for path in directory.glob(f"{glob.escape(stem)}-*")}
    for path in (directory / name for name in sorted(names) if scie_file.platform_in(name, stem=stem) is not None):
        checksum = checksums.of_file(path)
        if checksum.exists():
            yield Output(path=checksum, is_ours=_is_checksum(checksum))
        if path.exists():
            is_ours = recorded[path.name] == files.digest(path) if path.name in recorded else _is_scie(path, stem)
            yield Output(path=path, is_ours=is_ours)


def _is_checksum(path: Path) -> bool:
    """Whether a file begins with the checksum of the file, or of a file in the directory, of its name."""
    shipped = re.escape(path.name.removesuffix(checksums.SUFFIX))
    return _first_line_matches(rf"\\?[0-9a-f]{{64}}  {shipped}(?:/.*)?\n")(path)


def _is_scie(path: Path, stem: str) -> bool:
    """Whether a file is a scie of a PEX that pex made for the binary `stem`."""
    try:
        scie = scie_file.read(path)
    except scie_file.ScieError:
        return False
    return scie.name == stem and scie.pex is not None


_TEMPORARY: Final = (
    r"(?:pex(?:\.old)?|pex\.(?:json|sha256)|(?:smoke|verify|image)\.(?:json|xml|log)|requirements\S*\.txt|Dockerfile"
    r"|push\.json|diff\.(?:json|md)|oci|attestations|pex\.intoto\.jsonl|cdx\.json|html)\.\w{8}"
    r"|(?:deps|own)\.pex\.(?:new|old\.\w{8}|\w{8})"
)
"""Matches the name of a temporary file or directory, after a dot and the stem. One is left if a run is killed."""


def _former_stems(directory: Path, suffix: str | None) -> list[str]:
    """The stems of the binaries with a build record, if the stem is their name and `suffix`; none if that is None."""
    if suffix is None:
        return []
    records = [path for path in directory.glob("*.pex.json") if _is_record(path)]
    names = {path.name.removesuffix(".pex.json"): build_record.read(path).get("name") for path in records}
    return [stem for stem, name in names.items() if stem == f"{name}{suffix}"]


def _is_record(path: Path) -> bool:
    record = build_record.read(path)
    return isinstance(record.get("inputs"), dict) and "nox-pex" in record.get("tools", {})


def _is_built(path: Path) -> bool:
    """Whether a binary is the one in the build record next to it."""
    record = path.with_name(f"{path.name}.json")
    return _is_record(record) and files.read_json(record).get("sha256") == pex_file.digest(path)


def _is_result(*keys: str) -> Callable[[Path], bool]:
    """Return a test for a JSON file of results: it has the key `name` and all of `keys`."""
    return lambda path: {"name", *keys} <= files.read_json(path).keys()


def _has_result(is_result: Callable[[Path], bool]) -> Callable[[Path], bool]:
    """Return a test for a file that belongs to a JSON file of results with the same stem."""
    return lambda path: is_result(path.with_suffix(".json"))


def _is_split_part(path: Path) -> bool:
    """Whether a file is one of the two parts of a split binary: a PEX file next to the result of an image."""
    result = path.with_suffix("").with_suffix(".image.json")
    return path.is_file() and _is_image_result(result) and zipfile.is_zipfile(path)


def _is_bill(path: Path) -> bool:
    """Whether a file is a bill of materials that names nox-pex as the tool that made it."""
    try:
        made_by = files.read_json(path)["metadata"]["tools"]["components"]
        return any(tool["name"] == "nox-pex" for tool in made_by)
    except (KeyError, TypeError):
        return False


def _is_layout(path: Path) -> bool:
    """Whether a directory is an image layout that has nothing but an image to which nox-pex added layers."""
    if path.is_symlink() or not layout.is_layout(path):
        return False
    try:
        image = layout.read(path)
        known = {blob.descriptor.digest for blob in (image.top, *image.manifests, *image.blobs)}
        found = {f"{each.parent.name}:{each.name}" for each in files.paths(path / "blobs") if not each.is_dir()}
        configs = [blob.read() for blob in image.blobs if blob.descriptor.media_type == media_types.CONFIG]
        return found == known and all(map(_has_own_layer, configs))
    except (FormatError, OSError):
        return False


def _has_own_layer(config: bytes) -> bool:
    """Whether nox-pex added a layer to the image with this configuration."""
    history = image_config.parse(config).history or ()
    return any((entry.created_by or "").startswith(OWN_LAYER) for entry in history)


def _is_metadata(path: Path) -> bool:
    """Whether an archive has only directories and the METADATA of distributions."""
    try:
        with tarfile.open(path) as archive:
            return all(member.isdir() or member.name.endswith(".dist-info/METADATA") for member in archive)
    except (OSError, tarfile.TarError):
        return False


def _is_attestations(path: Path) -> bool:
    """Whether a directory has only files with names of the statements that nox-pex writes."""
    if path.is_symlink() or not path.is_dir():
        return False
    with os.scandir(path) as entries:
        return all(entry.name in OUR_FILES and entry.is_file(follow_symlinks=False) for entry in entries)


def _first_line_matches(expression: str) -> Callable[[Path], bool]:
    """Return a test for a text file whose whole first line matches a regular expression."""

    def matches(path: Path) -> bool:
        if not path.is_file():
            return False
        with path.open(encoding="utf-8", errors="replace") as file:
            return re.fullmatch(expression, file.readline()) is not None

    return matches


def _first_line_has(text: str) -> Callable[[Path], bool]:
    """Return a test for a text file whose first line contains `text`."""
    return _first_line_matches(f".*{re.escape(text)}.*\n?")


_is_smoke_result: Final = _is_result("binary", "conditions")
_is_verify_result: Final = _is_result("binary", "gates")
_is_push_result: Final = _is_result("binary", "repositories", "digest")
_is_image_result: Final = _is_result("base", "layers")
_is_difference: Final = _is_result("baseline", "compared-by", "growth")
_is_frozen: Final = _first_line_has("made by nox-pex")


_IS_OURS: Final[dict[str, Callable[[Path], bool]]] = {
    "html": mark.is_report,
    "pex": _is_built,
    "pex.sha256": _is_checksum,
    "smoke.xml": _has_result(_is_smoke_result),
    "metrics.txt": _first_line_has("# TYPE nox_pex_"),
    "smoke.log": _has_result(_is_smoke_result),
    "smoke.json": _is_smoke_result,
    "verify.xml": _has_result(_is_verify_result),
    "verify.json": _is_verify_result,
    "attestations": _is_attestations,
    "pex.intoto.jsonl": _first_line_has(f'"payloadType":"{PAYLOAD_TYPE}"'),
    "cdx.json": _is_bill,
    "deps.pex": _is_split_part,
    "own.pex": _is_split_part,
    "metadata.tar": _is_metadata,
    "push.json": _is_push_result,
    "diff.md": _has_result(_is_difference),
    "diff.json": _is_difference,
    "oci": _is_layout,
    "image.xml": _has_result(_is_image_result),
    "image.log": _has_result(_is_image_result),
    "image.json": _is_image_result,
    "Dockerfile": _first_line_has("written by nox-pex"),
    "requirements.txt": _is_frozen,
    "requirements-direct.txt": _first_line_has("# What pip takes no hash for"),
    "pex.json": _is_record,
}
"""The endings of a binary's files, with a test of whether nox-pex wrote the file.

The order is that of removal: a file that a test of another file reads comes after that file.
"""
