"""The content of the previous build of a binary, from the member list that the private state keeps of it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.contents import names, results
from nox_pex.contents.model import BinaryContents, BuildFacts, Group, Layout, PackedFile
from nox_pex.distributions import pex_info
from nox_pex.pex import member_list
from nox_pex.pex.member_list import Header, MemberList
from nox_pex.pex.target import Target
from nox_pex.verify.archive import BOOTSTRAP, DEPENDENCIES

_ESCAPED: Final = re.compile(r"\\(.)")


_CHARACTERS: Final = {"n": "\n", "r": "\r"}
"""The characters that `sha256sum` writes as a letter after a backslash. A backslash stands for itself."""


def read(target: Target, *, sha256: str) -> BinaryContents | None:
    """Return the last build of `target` whose SHA-256 is not `sha256`; None if none is kept, or the list is damaged."""
    lists = {
        member_list.CURRENT: target.file("smoke.json"),
        member_list.PREVIOUS: target.state_file(member_list.PREVIOUS_SMOKE),
    }
    for ending, smoke in lists.items():
        file = target.state_file(ending)
        header = member_list.read_header(file)
        if header is not None and header.sha256 != sha256:
            return _of_file(file, smoke)
    return None


def _of_file(file: Path, smoke: Path) -> BinaryContents | None:
    found = member_list.read(file)
    if found is None:
        return None
    header, members = found
    try:
        return _contents(header, members, smoke)
    except ValueError:  # it is damaged
        return None


class _Listed(Struct, frozen=True, kw_only=True):
    """The files of a binary by their paths in it, those of the archives in it, and the bytes that these take."""

    files: Mapping[str, PackedFile]
    archives: Mapping[str, list[PackedFile]]
    stored: Mapping[str, int]

    def outside(self, *, is_runtime: bool) -> list[PackedFile]:
        """Return the files that are in no distribution and no archive: those that pex adds, or all others."""
        names_outside = (name for name in self.files if not name.startswith(DEPENDENCIES))
        return [self.files[name] for name in names_outside if names.is_runtime(name) == is_runtime]


def _listed(header: Header, members: MemberList) -> _Listed:
    files = dict(_loose(header, members)) if members.sizes else {}
    archives: dict[str, list[PackedFile]] = {}
    stored: dict[str, int] = {}
    for blob, content in members.blobs:
        if blob.kind != "archive":
            continue
        found = list(_in_archive(content))
        if blob.name:
            archives[blob.name] = found
            stored[blob.name] = blob.stored if blob.stored is not None else members.sizes.get(blob.name, 0)
        else:
            files.update((file.path, file) for file in found)
    return _Listed(files={n: file for n, file in files.items() if n not in archives}, archives=archives, stored=stored)


def _contents(header: Header, members: MemberList, smoke: Path) -> BinaryContents:
    info = next((content for blob, content in members.blobs if blob.kind == "info"), b"")
    facts, listed = names.facts(pex_info.parse(info)), _listed(header, members)
    own, runtime = listed.outside(is_runtime=False), listed.outside(is_runtime=True)
    bootstrap = [_moved(file, f"{BOOTSTRAP}/{file.path}") for file in listed.archives.get(BOOTSTRAP, ())]
    of_runtime = sum(file.stored for file in runtime) + listed.stored.get(BOOTSTRAP, 0)
    return BinaryContents(
        file=header.file,
        sha256=header.sha256,
        size=header.size,
        layout=_layout(members, listed.archives),
        pex_version=facts.pex_version,
        entry_point=facts.entry_point,
        constraints=facts.constraints,
        settings=facts.settings,
        distributions=_distributions(listed.files, listed.archives, listed.stored),
        own=Group(kind="own", stored=sum(file.stored for file in own), files=tuple(own)),
        runtime=Group(kind="runtime", stored=of_runtime, files=(*runtime, *bootstrap)),
        build=BuildFacts(version=header.version, commit=header.commit, dirty=header.dirty, finished=header.finished),
        boots=results.boots(smoke, sha256=header.sha256),
        complete=False,
    )


def _layout(members: MemberList, archives: Mapping[str, object]) -> Layout:
    if not members.sizes:
        return "zipapp"
    return "packed" if archives else "loose"


def _distributions(
    files: Mapping[str, PackedFile], archives: Mapping[str, list[PackedFile]], stored: Mapping[str, int]
) -> tuple[Group, ...]:
    wheels: dict[str, list[PackedFile]] = {
        name.removeprefix(DEPENDENCIES): found for name, found in archives.items() if name.startswith(DEPENDENCIES)
    }
    for name, file in files.items():
        if name.startswith(DEPENDENCIES):
            wheel, _, path = name.removeprefix(DEPENDENCIES).partition("/")
            wheels.setdefault(wheel, []).append(_moved(file, path))
    groups = []
    for wheel, found in wheels.items():
        name, version = names.name_and_version(wheel)
        size = stored.get(DEPENDENCIES + wheel, sum(file.stored for file in found))
        groups.append(
            Group(kind="distribution", name=name, version=version, wheel=wheel, stored=size, files=tuple(found))
        )
    return tuple(sorted(groups, key=lambda group: (group.name, group.version, group.wheel)))


def _in_archive(directory: bytes) -> Iterator[PackedFile]:
    for name, fields in member_list.members_in(directory):
        yield PackedFile(path=name, size=fields.size, stored=fields.packed_size, crc=fields.crc)


def _loose(header: Header, members: MemberList) -> Iterator[tuple[str, PackedFile]]:
    """Yield the files of a directory with the SHA-256 of its checksum file, by their paths in the directory."""
    text = next((content for blob, content in members.blobs if blob.kind == "checksums"), b"")
    digests = dict(_checksums(text.decode("utf-8", "surrogateescape"), prefix=f"{header.file}/"))
    for name, size in members.sizes.items():
        yield name, PackedFile(path=name, size=size, stored=size, sha256=digests.get(name, ""))
    for name, target in members.links.items():
        content = os.fsencode(target)
        digest = hashlib.sha256(content).hexdigest()
        yield name, PackedFile(path=name, size=len(content), stored=len(content), sha256=digest)


def _checksums(text: str, *, prefix: str) -> Iterator[tuple[str, str]]:
    for line in text.split("\n"):
        digest, _, name = line.partition("  ")
        if digest.startswith("\\"):
            digest, name = digest[1:], _ESCAPED.sub(lambda match: _CHARACTERS.get(match[1], match[1]), name)
        yield name.removeprefix(prefix), digest


def _moved(file: PackedFile, path: str) -> PackedFile:
    return PackedFile(path=path, size=file.size, stored=file.stored, crc=file.crc, sha256=file.sha256)
