"""From a finished install to a binary: find out whether anything changed, build, and move the result into place."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from nox_pex.distributions import pex_file
from nox_pex.pex import build_record, checksums, scies
from nox_pex.pex.build_record import Change, LastBuild
from nox_pex.pex.checkout import Checkout, Commit, Places, places_of
from nox_pex.pex.inputs import ProjectFiles, collect_project_files, inputs_of, package_root
from nox_pex.pex.target import Contents, Target, platforms_of
from nox_pex.project import left_out, sources
from nox_pex.project.left_out import LeftOut
from nox_pex.settings.model import Sources
from nox_pex.system import files, locks, os_errors
from nox_pex.system.background import Background
from nox_pex.system.command import Clock, Shell
from nox_pex.system.environ import tool_environ
from nox_pex.system.fingerprint import Inputs, digests
from nox_pex.system.git import Git
from nox_pex.system.lazy import lazy
from nox_pex.system.messages import changed, unchanged, warned
from nox_pex.system.wording import counted, megabytes, size_change
from nox_pex.tools.provision import Provisioner

if TYPE_CHECKING:
    from nox_pex.pex import assemble, member_list, scie_build
    from nox_pex.pex.assemble import BuiltPex
    from nox_pex.pex.scie_build import ScieBuilder
else:
    scie_build = lazy("nox_pex.pex.scie_build")  # as slow
    assemble = lazy("nox_pex.pex.assemble")  # slow, and not needed if nothing changed
    member_list = lazy("nox_pex.pex.member_list")  # as needless then


class _Found(Struct, frozen=True, kw_only=True):
    """The state of a binary before a build.

    `known` is its build record, `last` what the private state keeps of the last build. `change` says why it has to be
    built, or why its scies have to be made; None if everything is unchanged.
    """

    known: dict[str, Any]
    last: LastBuild | None
    checkout: Checkout
    project_files: ProjectFiles
    inputs: Inputs
    change: Change | None


class Builder(Struct, frozen=True, kw_only=True):
    """Builds targets.

    `force` builds even if nothing changed. `from_scratch` makes pex do all of the work and reuses nothing that was
    packed before. That is slower and gives the same bytes: `verify` compares a binary with the result. The caches of
    the `provisioner`, apart from tools and wheels, must then be empty, and not be used by another build.
    """

    provisioner: Provisioner
    force: bool
    from_scratch: bool = False
    _collected: dict[Sources, Background[ProjectFiles]] = {}
    _checkouts: dict[Places, Checkout] = {}
    _commits: dict[tuple[Places, Sources], Commit | None] = {}

    @property
    def shell(self) -> Shell:
        """Runs tools, and shows lines to the user."""
        return self.provisioner.shell

    def build(self, target: Target, installed: Contents) -> None:
        """Build the binary of `target` from `installed`, and its record, unless its inputs are unchanged.

        Raises `NoxPexError`, for example `build-failed`, `entry-missing`, `source-missing` or `disk-full`. The previous
        binary is then unchanged.
        """
        with os_errors.writing(f"{target.output}", place=target.directory):
            target.directory.mkdir(parents=True, exist_ok=True)
            waiting = f"pex: waiting for another run that builds {target.output}"
            with locks.locked(target.state_file("lock"), waiting=lambda: self.shell.say(waiting)) as lock_descriptor:
                self._build(target, installed, lock_descriptor=lock_descriptor)

    def _build(self, target: Target, installed: Contents, *, lock_descriptor: int) -> None:
        found = self._compare(target, installed)
        if not self.force and found.last is not None and (found.change is None or found.change.kinds == {scies.KIND}):
            self._keep(target, installed, found, found.last, lock_descriptor=lock_descriptor)
        else:
            self._rebuild(target, installed, found, lock_descriptor=lock_descriptor)

    def _compare(self, target: Target, installed: Contents) -> _Found:
        """Compare the binary and its inputs with those of the last build."""
        files.require_replaceable(target.record)
        locks.remove_abandoned(target.build_prefix.parent, target.build_prefix.name)  # also if nothing is built
        checkout = self._check_out_once(places_of(target, _path_dependencies(installed)))
        collecting = self._collect_once(target)
        # Git answers, for both, while the binary is read.
        known, last = build_record.read(target.record), build_record.read_last_build(target.state_file("build.json"))
        damage = build_record.damage(target.output, target.record, known, last=last)
        project_files = collecting.get()
        inputs = inputs_of(target, installed, project_files, version=_version_inputs(target, self.shell.environ))
        change = build_record.change(damage, last=last, inputs=inputs) or scies.change(target, known, last=last)
        return _Found(
            known=known, last=last, checkout=checkout, project_files=project_files, inputs=inputs, change=change
        )

    def _keep(
        self, target: Target, installed: Contents, found: _Found, last: LastBuild, *, lock_descriptor: int
    ) -> None:
        """Keep the unchanged binary: make its scies and checksums if they changed, and note the checkout's commit."""
        state, inputs = target.state_file("build.json"), found.inputs
        commit = self._commit_once(found.checkout, target, found.project_files)
        current = build_record.current(found.known, target.project, commit=commit)
        if found.change is not None:
            self.shell.say(
                changed(f"pex: {target.name} unchanged, but not its scie: {', '.join(found.change.reasons)}")
            )
            contents = self._build_scies(target, installed, current, inputs, last, lock_descriptor=lock_descriptor)
            contents |= checksums.write(target, build_record.read(target.record))
            build_record.write_last_build(state, contents=contents, record=target.record, inputs=inputs)
            return
        written = {} if checksums.are_current(target, current, last) else checksums.write(target, current)
        if current != found.known:
            files.write_record(target.record, current)
        if written or current != found.known:
            contents = {**last.contents, **written}
            build_record.write_last_build(state, contents=contents, record=target.record, inputs=inputs)
        size = megabytes(pex_file.size(target.output))
        self.shell.say(unchanged(f"pex: {target.name} unchanged, {size} ({_relative_output(target)})"))

    def _rebuild(self, target: Target, installed: Contents, found: _Found, *, lock_descriptor: int) -> None:
        """Build the binary, and move it, its scies and its record into place."""
        change, inputs, started = found.change, found.inputs, dt.datetime.now(dt.UTC)
        why = ", ".join(change.reasons) if change is not None else "forced"
        self.shell.say(changed(f"pex: {'re' if os.path.lexists(target.output) else ''}building {target.name}: {why}"))

        project_files = collect_project_files(target)  # again: they may have changed since they were first collected
        # The other inputs stay as they were compared, so that a change during the build counts as a change next time.
        version = _version_inputs(target, self.shell.environ)
        inputs = {**inputs, "sources": inputs_of(target, installed, project_files, version=version)["sources"]}
        self._show_sources(target, project_files)
        clock = Clock()
        clock.seconds["install"] = round(installed.seconds, 3)
        with _build_directory(target) as directory:
            assembler = assemble.Assembler(
                target=target,
                installed=installed,
                files=project_files,
                directory=directory,
                provisioner=self.provisioner,
                clock=clock,
                lock_descriptor=lock_descriptor,
                from_scratch=self.from_scratch,
                previous=None if self.force else _reusable(target, change),
            )
            built = assembler.assemble()
            scie_builder = self._scie_builder(target, installed, directory, lock_descriptor=lock_descriptor)
            with clock.step("scie") if target.table.scie is not None else contextlib.nullcontext():
                made = scie_builder.make(built.path)
            listing = Background(
                lambda: member_list.of_binary(built.path, known=target.state_file(member_list.CURRENT))
            )
            inputs = {**inputs, "sources": {**inputs["sources"], **_generated(target, project_files)}}
            edited = change is not None and change.kinds == {"sources"}
            disagreements = self._disagreements(built, shown=not edited)
            commit = Checkout.of(found.checkout.places, self.shell.environ).commit(project_files.digests)
            new = _record(
                target,
                installed,
                project_files,
                inputs,
                built=built,
                disagreements=disagreements,
                clock=clock,
                commit=commit,
                started=started,
            )
            contents = {target.output.name: pex_file.quick_digest(built.path), **scie_builder.contents(made)}
            members = listing.get()
            checksums.remove(target)
            files.move_into_place(built.path, target.output)
            scie_builder.move_into_place(made)
        # If the run is killed before the last of these lines, the state does not match, and the binary is built again.
        scie_builder.write_record(new, made, former=found.known)
        contents |= checksums.write(target, build_record.read(target.record))
        keeping = Background(lambda: member_list.keep(target, members, new, secrets=self.shell.secrets))
        state = target.state_file("build.json")
        build_record.write_last_build(state, contents=contents, record=target.record, inputs=inputs)
        keeping.get()
        seconds = sum(seconds for step, seconds in clock.seconds.items() if step != "install")
        size, parts = _size_since(new["size"], found.known), counted(new["distributions"], "distribution")
        place = "" if self.from_scratch else f" ({_relative_output(target)})"  # `verify` builds a copy
        self.shell.say(f"pex: {target.name} built in {seconds:.1f} s, {size}, {parts}{place}")

    def _disagreements(self, built: BuiltPex, *, shown: bool) -> Sequence[Mapping[str, Any]]:
        """The disagreements about the new binary as JSON values; `shown` shows each to the user."""
        for disagreement in built.disagreements if shown and not self.from_scratch else ():  # `verify` notes them
            self.shell.say(warned(f"pex: warning: {disagreement}"))
        return [disagreement.as_json() for disagreement in built.disagreements]

    def _build_scies(
        self,
        target: Target,
        installed: Contents,
        record: dict[str, Any],
        inputs: Inputs,
        last: LastBuild,
        *,
        lock_descriptor: int,
    ) -> dict[str, str]:
        """Make the scies of the unchanged binary, or remove them if the settings no longer have the key `scie`.

        Returns the quick digests of the binary, from its `last` build, and of the new scies.
        """
        with _build_directory(target) as directory:
            builder = self._scie_builder(target, installed, directory, lock_descriptor=lock_descriptor)
            made = builder.make(target.output)
            contents = {target.output.name: last.contents[target.output.name], **builder.contents(made)}
            builder.move_into_place(made)
        new = {**build_record.finished_now(record), "inputs": digests(inputs)}
        builder.write_record(new, made, former=record)
        return contents

    def _scie_builder(
        self, target: Target, installed: Contents, directory: Path, *, lock_descriptor: int
    ) -> ScieBuilder:
        return scie_build.ScieBuilder(
            target=target,
            installed=installed,
            provisioner=self.provisioner,
            directory=directory,
            lock_descriptor=lock_descriptor,
        )

    def _collect_once(self, target: Target) -> Background[ProjectFiles]:
        """The project's part, collected for the first binary with these `sources` and shared by all others.

        If nothing changed, a hundred binaries of one project read its files once. Only a build reads them again.
        """
        wanted = target.table.sources
        if wanted not in self._collected:
            self._collected[wanted] = Background(lambda: collect_project_files(target))
        return self._collected[wanted]

    def _check_out_once(self, places: Places) -> Checkout:
        """The answers of Git about `places`, asked for the first binary with these places and shared by all others."""
        if places not in self._checkouts:
            self._checkouts[places] = Checkout.of(places, self.shell.environ)
        return self._checkouts[places]

    def _commit_once(self, checkout: Checkout, target: Target, project_files: ProjectFiles) -> Commit | None:
        """The commit of the first binary with these places and these `sources`, shared by all others."""
        key = (checkout.places, target.table.sources)
        if key not in self._commits:
            self._commits[key] = checkout.commit(project_files.digests)
        return self._commits[key]

    def _show_sources(self, target: Target, project_files: ProjectFiles) -> None:
        """Show which loose sources ship, and what does not although a program could import or read it."""
        selection, record = project_files.selection, target.settings.output_dir / target.record.name
        if selection is None:
            if project_files.placed:
                self.shell.say(f"pex: added to the wheel: {_by_directory(project_files.placed)}")
            return
        self.shell.say(f"pex: sources: {_by_directory(project_files.placed)}")
        chosen, key = target.table.sources, f"{target.key}.sources"
        for message in left_out.messages(selection.left_out, chosen, key=key, record=str(record)):
            self.shell.say(f"pex: {message}")


def _reusable(target: Target, change: Change | None) -> Path | None:
    """The previous binary, if it is a file exactly as it was built, from which the next one may copy members."""
    return target.output if change is not None and change.kinds and target.output.is_file() else None


def _path_dependencies(installed: Contents) -> list[str]:
    """The path dependencies that ship, as paths from the project's directory."""
    names = {distribution.name for distribution in installed.distributions}
    return [path for name, path in installed.paths.items() if name in names]


_VERSION_VARIABLES: Final = ("POETRY_DYNAMIC_VERSIONING_", "SETUPTOOLS_SCM_", "DUNAMAI_", "VERSIONEER_")
"""Prefixes of the variables with which a user can set the version for such a backend."""


def _version_inputs(target: Target, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The inputs of a version that the build backend takes from Git: the commit, its tags, and variables."""
    if not target.project.version_from_git:
        return {}
    git = Git(root=target.project.root, environ=environ)
    described = [
        git.ask("log", "-1", "--format=%H %D"),
        git.ask("describe", "--tags", "--long", "--always", "--dirty"),
    ]
    variables = sorted(
        (name, value) for name, value in tool_environ(environ).items() if name.startswith(_VERSION_VARIABLES)
    )
    return {"the version from Git": hashlib.sha256(repr((described, variables)).encode()).hexdigest()}


_MAX_SHOWN: Final = 12
"""The number of files and directories at the root that are named."""


def _generated(target: Target, project_files: ProjectFiles) -> Mapping[str, str]:
    """The digests of files in the project's directory that a build script wrote during this build.

    They are inputs of the next build as they are now. Only files that Git ignores count: a file that somebody edited
    during the build must count as changed.
    """
    if not target.project.package_mode:
        return {}
    after = collect_project_files(target).digests
    changed = {name for name, digest in after.items() if project_files.digests.get(name) != digest}
    return {name: after[name] for name in sources.ignored(target.project.root, changed)} if changed else {}


@contextlib.contextmanager
def _build_directory(target: Target) -> Iterator[Path]:
    """Create a temporary directory next to the binary, so that the result can be moved into place, not copied.

    It is locked while it is in use, and removed afterwards. Directories of builds that were killed are removed first.
    """
    with locks.scratch(target.build_prefix.name, parent=target.build_prefix.parent) as path:
        yield path


def _record(
    target: Target,
    installed: Contents,
    project_files: ProjectFiles,
    inputs: Inputs,
    *,
    built: BuiltPex,
    disagreements: Sequence[Mapping[str, Any]],
    clock: Clock,
    commit: Commit | None,
    started: dt.datetime,
) -> dict[str, Any]:
    """The build record, as JSON values. Its keys are documented, so they must not change."""
    return {
        "name": target.name,
        "version": built.version,
        "sha256": pex_file.digest(built.path),
        "size": pex_file.size(built.path),
        "inputs": digests(inputs),
        "lock-hash": inputs["lock"]["poetry.lock"],
        "python": ", ".join(dict.fromkeys(f"{i.implementation} {i.version}" for i in installed.interpreters)),
        "platform": [platform.tag for platform in platforms_of(installed)] or sysconfig.get_platform(),
        "tools": dict(inputs["tools"]),
        "git": build_record.git(commit),
        "built": build_record.built_since(started),
        "sources": {"taken": sorted(built.shipped)},
        "left-out": [left_out.as_record(entry) for entry in _left_out(target, project_files, built)],
        "disagreements": list(disagreements),
        "distributions": [{"name": name, "version": version} for name, version in built.distributions],
        "seconds": clock.seconds,
    }


def _left_out(target: Target, project_files: ProjectFiles, built: BuiltPex) -> tuple[LeftOut, ...]:
    """The files of the project that a program could import or read, and that are not in the binary."""
    if project_files.selection is not None:
        return project_files.selection.left_out
    root, output_dir = target.project.root, target.settings.output_dir
    return sources.beside_wheel(root, output_dir=output_dir, below=package_root(target), shipped=set(built.shipped))


def _by_directory(names: Iterable[str]) -> str:
    """Files, and directories with the number of files in each: `main.py, shop/ (12)`."""
    counts = Counter(f"{top}/" if below else top for top, below, _ in (name.partition("/") for name in names))
    shown = [f"{top} ({count})" if top.endswith("/") else top for top, count in sorted(counts.items())]
    more = f" and {len(shown) - _MAX_SHOWN} more" if len(shown) > _MAX_SHOWN else ""
    return f"{', '.join(shown[:_MAX_SHOWN])}{more}" if shown else "none"


def _size_since(size: int, known: Mapping[str, Any]) -> str:
    """The size of a new binary, and how much it grew since the build with the record `known`: `4.7 MB (+12 kB)`."""
    growth = size - known.get("size", size)
    return f"{megabytes(size)} ({size_change(growth)})" if growth else megabytes(size)


def _relative_output(target: Target) -> Path:
    """The path of the binary as messages show it, from the project's directory."""
    return target.settings.output_dir / target.output.name
