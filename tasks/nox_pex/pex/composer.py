"""Gather the parts of one binary and compose it. Only what nobody packed before is packed, and pex packs nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from packaging.utils import NormalizedName

from nox_pex.distributions import inventory, pex_file, wheel_layout
from nox_pex.distributions.installed_wheel import InstalledWheel, UnsupportedDistributionError
from nox_pex.errors import NoxPexError
from nox_pex.pex import compose, noted_requirements, notes, packed_wheels, runtime, staged_environment
from nox_pex.pex.compose import LooseSources, Parts, Runtime
from nox_pex.pex.disagreements import Disagreements, Member, target_pythons
from nox_pex.pex.distributed import Distributed, EditableInstall, FetchedWheel, InstalledDistribution
from nox_pex.pex.exclude import is_excluded
from nox_pex.pex.member_limit import MOST
from nox_pex.pex.notes import Notes
from nox_pex.pex.packed_wheels import DamagedFileError, PackedWheel, PackedWheels
from nox_pex.pex.target import Contents, Target
from nox_pex.pex.zip_members import UnsupportedArchiveError
from nox_pex.poetry import requirements
from nox_pex.poetry.installed import Installed
from nox_pex.settings.model import Binary
from nox_pex.settings.pex_args import without_scie_options
from nox_pex.system import files
from nox_pex.system.command import Clock
from nox_pex.system.messages import working
from nox_pex.tools.provision import Provisioner


class ProjectPart(Struct, frozen=True, kw_only=True):
    """The project's part of a binary: its `wheel`, or a directory of loose `sources` with the files `names`.

    `member` is the metadata of the wheel as the binary has it. `entry_point` is the `module[:attribute]` that the
    binary starts; None if that is a file.
    """

    wheel: Path | None
    member: Member | None
    sources: Path | None
    names: tuple[str, ...]
    entry_point: str | None


def supports(table: Binary) -> bool:
    """Whether a binary with this table can be composed: pex alone compiles, and writes other layouts than a file."""
    needs_pex = table.layout != "zipapp" or table.compile or table.executable
    return not needs_pex and not without_scie_options(table.pex_args)


class Composer(Struct, frozen=True, kw_only=True):
    """One build of the binary `target` from `contents` and the `project` part, in the temporary `directory`.

    `previous` is the previous binary if it is exactly as it was built, and `notes` are those of its build. pex inherits
    `lock_descriptor`.
    """

    target: Target
    contents: Contents
    disagreements: Disagreements
    project: ProjectPart
    provisioner: Provisioner
    directory: Path
    previous: Path | None
    notes: Notes
    clock: Clock
    lock_descriptor: int

    def compose(self, output: Path) -> frozenset[NormalizedName] | None:
        """Write the binary to `output`, with its distributions installed; return their names.

        Return None, and leave no `output`, if pex has to build it.
        Raises `NoxPexError`: `integrity` if what is installed is damaged, `build-failed` if a build backend fails.
        """
        return self._compose(output, self._packed_wheels, pre_install=True)

    def compose_stored(self, output: Path, repository: Path) -> frozenset[NormalizedName] | None:
        """Do the same with wheels as they are: those that pex has packed into the dependency PEX `repository`."""
        if self.project.wheel is not None:
            return None  # pex packs it again
        return self._compose(output, functools.partial(self._stored_wheels, repository), pre_install=False)

    def _compose(
        self, output: Path, provide_wheels: Callable[[Runtime, Path], list[PackedWheel]], *, pre_install: bool
    ) -> frozenset[NormalizedName] | None:
        try:
            with self.clock.step("runtime"):
                pex_part = runtime.provide_for(
                    self.target,
                    self.contents,
                    self.provisioner,
                    disagreements=self.disagreements,
                    pre_install=pre_install,
                    hold=(self.lock_descriptor,),
                )
            if pex_part is None:
                return None
            with files.temporary_directory(prefix="compose.", parent=self.directory) as scratch:
                with self.clock.step("pack"):
                    wheels = sorted(provide_wheels(pex_part, scratch), key=lambda packed: packed.name)
                with self.clock.step("compose"):
                    parts = Parts(runtime=pex_part, wheels=wheels, sources=self._sources(), info=self._info())
                    compress = self.target.table.compress
                    compose.compose(parts, output, compress=compress, scratch=scratch, previous=self.previous)
        except (UnsupportedDistributionError, UnsupportedArchiveError, DamagedFileError, FileNotFoundError):
            # A wheel may have wrong digests in its RECORD, which pex does not read. Another process may have evicted a
            # part from the cache since it was found.
            output.unlink(missing_ok=True)
            return None
        return frozenset(pex_file.distribution_name(packed.name) for packed in wheels)

    def _stored_wheels(self, repository: Path, _pex_part: Runtime, scratch: Path) -> list[PackedWheel]:
        """Return the wheels in the dependency PEX `repository`, as they are."""
        exclude = self.target.table.exclude
        return [
            packed_wheels.store(repository / packed_wheels.DEPENDENCIES / name, scratch, fingerprint=fingerprint)
            for name, fingerprint in pex_file.info(repository).distributions.items()
            if not is_excluded(pex_file.distribution_name(name), pex_file.distribution_version(name), exclude)
        ]

    def _packed_wheels(self, pex_part: Runtime, scratch: Path) -> list[PackedWheel]:
        """Return the packed wheels of the binary: the project's own, and those of the distributions.

        Nothing is packed if the binary would have more members than its file can hold.
        """
        compress = self.target.table.compress
        own = [wheel_layout.from_wheel(self.project.wheel, scratch / "project")] if self.project.wheel else []
        store = PackedWheels(caches=self.provisioner.caches, pex_version=self.target.pex_version, compress=compress)
        noted = self.notes.packed if self.notes.packed_for == store.identity else {}
        sources = tuple(self._distributions(scratch))
        known = {each.note: noted[each.note] for each in sources if each.note in noted}
        found = store.find(known.values())
        rest = [each for each in sources if known.get(each.note) not in found]
        try:
            self._check_strays(rest)
            laid_out = [each.lay_out() for each in rest]
            self._check_number(pex_part, [*own, *laid_out], found.values())
            packed = [*found.values(), *self._pack(store, laid_out)]
        except DamagedFileError as error:
            if not isinstance(self.contents, Installed):
                raise
            problem = f"the install in {self.contents.environment.path} is damaged: {error}"
            raise NoxPexError("integrity", problem, "run `nox -s install -- --force`") from error
        if rest:
            kept = {note: key for note, key in known.items() if key in found}
            self._note(store, kept, dict(zip((each.note for each in rest), laid_out, strict=True)))
        return [*packed, *(packed_wheels.pack(each, scratch / "project.zip", compress=compress) for each in own)]

    def _pack(self, store: PackedWheels, wheels: Sequence[InstalledWheel]) -> Iterator[PackedWheel]:
        """Yield the packed form of `wheels`, and show how many are packed."""
        if not wheels:
            return
        with working(self.provisioner.shell.say, "pex: packing", total=len(wheels)) as work:
            for packed in store.pack(wheels):
                work.finished(pex_file.distribution_name(packed.name))
                yield packed

    def _note(self, store: PackedWheels, kept: Mapping[str, str], new: Mapping[str, InstalledWheel]) -> None:
        """Note the keys of the packed wheels for the next build: those that were `kept`, and the `new` ones."""
        keys = {note: store.key(laid_out) for note, laid_out in new.items() if note}
        now = msgspec.structs.replace(self.notes, packed_for=store.identity, packed={**kept, **keys})
        notes.write(self.target, now)

    def _check_number(self, pex_part: Runtime, new: Iterable[InstalledWheel], packed: Iterable[PackedWheel]) -> None:
        """Raise `UnsupportedArchiveError` if the binary would have more members than its file can hold."""
        number = sum(map(packed_wheels.number_of_members, new)) + sum(each.members.count for each in packed)
        if number + len(pex_part.members) + len(self.project.names) > MOST:
            msg = "the binary has too many members"
            raise UnsupportedArchiveError(msg)

    def _check_strays(self, rest: Sequence[Distributed]) -> None:
        """Raise `DamagedFileError` if some of `rest` is from an environment with a file that nobody installed."""
        if rest and isinstance(self.contents, Installed):
            for stray in inventory.strays(self.contents.environment):
                raise DamagedFileError(stray)

    def _distributions(self, scratch: Path) -> Iterator[Distributed]:
        """Yield what is installed, or fetched for other platforms, without what the settings exclude."""
        exclude, contents = self.target.table.exclude, self.contents
        rewritten = self.disagreements.rewritten
        if not isinstance(contents, Installed):
            for number, each in enumerate(contents.wheels):
                if not is_excluded(each.name, each.version, exclude):
                    directory, noted = scratch / f"wheel{number}", not each.direct and each.name not in rewritten
                    yield FetchedWheel(contents=contents, wheel=each, directory=directory, is_noted=noted)
            return
        for distribution in contents.distributions:
            if is_excluded(distribution.name, distribution.version, exclude):
                continue
            if staged_environment.editable_directory(distribution) is not None:
                yield EditableInstall(
                    contents=contents,
                    distribution=distribution,
                    provisioner=self.provisioner,
                    directory=scratch / distribution.name,
                )
            else:
                noted = distribution.name not in rewritten
                yield InstalledDistribution(contents=contents, distribution=distribution, is_noted=noted)

    def _sources(self) -> LooseSources | None:
        if self.project.sources is None:
            return None
        return LooseSources(root=self.project.sources, names=self.project.names)

    def _info(self) -> Mapping[str, Any]:
        """The values of PEX-INFO that follow from the table, the project and the distributions."""
        table, contents, entry_point = self.target.table, self.contents, self.project.entry_point
        shipped = [d for d in contents.distributions if not is_excluded(d.name, d.version, table.exclude)]
        return {
            "entry_point": entry_point,
            "script": table.script if entry_point is None else None,
            "inject_args": list(table.inject_args),
            "inject_env": table.inject_env,
            "requirements": noted_requirements.noted(
                requirements.pins(shipped, contents.marker),
                project=self.project.member,
                pythons=target_pythons(contents),
            ),
        }
