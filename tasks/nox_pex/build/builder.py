"""From a finished install to a binary: decide whether anything changed, build aside, move it into place whole."""

from __future__ import annotations

import contextlib
import hashlib
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from nox_pex.build import build_record
from nox_pex.build.inputs import ProjectFiles, collect, inputs_of
from nox_pex.build.target import Contents, Target, platforms_of
from nox_pex.distributions import pex_file
from nox_pex.project import sources
from nox_pex.settings.model import Sources
from nox_pex.system import files, locks
from nox_pex.system.command import Clock, Shell
from nox_pex.system.environ import tool_environ
from nox_pex.system.fingerprint import Inputs, digests
from nox_pex.system.git import Commit, Git
from nox_pex.system.lazy import lazy
from nox_pex.system.wording import counted, megabytes
from nox_pex.tools.provision import Provisioner

if TYPE_CHECKING:
    from nox_pex.build import assemble
    from nox_pex.build.assemble import BuiltPex
else:
    assemble = lazy("nox_pex.build.assemble")  # slow, and not needed if nothing changed


class Builder(Struct, frozen=True, kw_only=True):
    """Builds targets.

    `force` builds even where nothing changed. `from_scratch` has pex do all of the work and reuses nothing that was
    packed before: slower, with the same bytes, so that a binary can be judged by it.
    """

    provisioner: Provisioner
    force: bool
    from_scratch: bool = False
    _seen: dict[Sources, ProjectFiles] = {}

    @property
    def shell(self) -> Shell:
        """How tools are run, and where a line to the user goes."""
        return self.provisioner.shell

    def build(self, target: Target, installed: Contents) -> None:
        """Build the binary of `target` from `installed`, and its record, unless it already is what its inputs say.

        Raises `NoxPexError`; the binary that was there before is then untouched.
        """
        with files.writing(f"{target.output}"):
            target.directory.mkdir(parents=True, exist_ok=True)
            waiting = f"pex: waiting for another run that builds {target.output}"
            with locks.locked(target.state / f"{target.stem}.lock", waiting=lambda: self.shell.say(waiting)) as held:
                self._build(target, installed, held=held)

    def _build(self, target: Target, installed: Contents, *, held: int) -> None:
        inputs = inputs_of(target, installed, self._glance(target), version=self._version_inputs(target))
        memory = target.state / f"{target.stem}.inputs.json"
        change = build_record.change(
            target.output, files.read_json(target.record), remembered=files.read_json(memory), inputs=inputs
        )
        if change is None and not self.force:
            self.shell.say(
                f"pex: {target.name} unchanged, {megabytes(pex_file.size(target.output))} ({_shown(target)})"
            )
            return
        why = ", ".join(change.words) if change is not None else "forced"
        self.shell.say(f"pex: {'re' if target.output.exists() else ''}building {target.name}: {why}")

        taken = collect(target)  # by now: another binary may have been built since the glance
        # All else as it was judged: what changes in between has to count as changed.
        inputs = {
            **inputs,
            "sources": inputs_of(target, installed, taken, version=self._version_inputs(target))["sources"],
        }
        self._tell_left_out(target, taken)
        clock = Clock()
        clock.seconds["install"] = round(installed.seconds, 3)
        with _build_directory(target) as directory:
            sources_only = change is not None and change.kinds == {"sources"} and not self.force
            assembler = assemble.Assembler(
                target=target,
                installed=installed,
                files=taken,
                directory=directory,
                provisioner=self.provisioner,
                clock=clock,
                held=held,
                from_scratch=self.from_scratch,
            )
            built = assembler.assemble(sources_only=sources_only)
            inputs = {**inputs, "sources": {**inputs["sources"], **_generated(target, taken)}}
            git = Git(root=target.project.root, environ=self.shell.environ)
            entry = _record(
                target, installed, taken, inputs, built=built, clock=clock, git=git.commit(without=target.directory)
            )
            files.move_into_place(built.path, target.output)
        # From here to the next two lines the record does not fit the binary; a run that finds it so builds again.
        files.write_json(memory, inputs)
        files.write_json(target.record, entry)
        seconds = sum(seconds for step, seconds in clock.seconds.items() if step != "install")
        size, contents = megabytes(entry["size"]), counted(entry["distributions"], "distribution")
        self.shell.say(f"pex: {target.name} built in {seconds:.1f} s, {size}, {contents} ({_shown(target)})")

    def _glance(self, target: Target) -> ProjectFiles:
        """What the project's part was when the first binary with these `sources` was looked at.

        Where that one has changed, so has this one, or it is looked at again; a hundred binaries of one project are
        judged by one look.
        """
        wanted = target.table.sources
        if wanted not in self._seen:
            self._seen[wanted] = collect(target)
        return self._seen[wanted]

    def _tell_left_out(self, target: Target, taken: ProjectFiles) -> None:
        if target.project.package_mode:
            return
        self.shell.say(f"pex: sources: {_listed(taken.digests)}")
        for left in taken.left_out:
            self.shell.say(f"pex: left out: {left}")

    def _version_inputs(self, target: Target) -> Mapping[str, str]:
        """What a build backend makes the version from that is no file: Git's name for the commit, and variables."""
        if not target.project.version_from_git:
            return {}
        git, env = Git(root=target.project.root, environ=self.shell.environ), tool_environ(self.shell.environ)
        described = [
            git.ask("log", "-1", "--format=%H %D"),
            git.ask("describe", "--tags", "--long", "--always", "--dirty"),
        ]
        given = sorted((name, value) for name, value in env.items() if name.startswith(_VERSION_VARIABLES))
        return {"the version from Git": hashlib.sha256(repr((described, given)).encode()).hexdigest()}


_VERSION_VARIABLES: Final = ("POETRY_DYNAMIC_VERSIONING_", "SETUPTOOLS_SCM_", "DUNAMAI_", "VERSIONEER_")
"""Prefixes of the variables by which a user tells such a backend the version."""


_SHOWN: Final = 12
"""Files and directories at the root that are named one by one."""


def _generated(target: Target, taken: ProjectFiles) -> Mapping[str, str]:
    """The digests of files that a build script has just made or made anew in the project's directory.

    They are inputs, but what they were before that is of no interest. Only what Git ignores: a file that someone
    edited while the build ran has to count as changed.
    """
    if not target.project.package_mode:
        return {}
    after = collect(target).digests
    differing = {name for name, digest in after.items() if taken.digests.get(name) != digest}
    return {name: after[name] for name in sources.ignored(target.project.root, differing)} if differing else {}


@contextlib.contextmanager
def _build_directory(target: Target) -> Iterator[Path]:
    """A temporary directory beside the binary, so that the finished one is moved, not copied, into its place.

    It is locked while it is used, and goes when it is left; those of builds that were killed are swept first.
    """
    prefix = f".{target.stem}.pex."
    locks.remove_abandoned(target.directory, prefix)
    with locks.locked_tempdir(target.directory, prefix) as path:
        try:
            yield path
        finally:
            files.remove(path)


def _record(
    target: Target,
    installed: Contents,
    taken: ProjectFiles,
    inputs: Inputs,
    *,
    built: BuiltPex,
    clock: Clock,
    git: Commit | None,
) -> dict[str, Any]:
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
        "git": msgspec.to_builtins(git),
        "sources": {"taken": sorted(built.shipped), "left-out": [left.path for left in taken.left_out]},
        "distributions": [{"name": name, "version": version} for name, version in built.distributions],
        "seconds": clock.seconds,
    }


def _listed(names: Iterable[str]) -> str:
    """Files, and directories with how many are in each: `main.py, shop/ (12)`."""
    counts = Counter(f"{top}/" if below else top for top, below, _ in (name.partition("/") for name in names))
    shown = [f"{top} ({count})" if top.endswith("/") else top for top, count in sorted(counts.items())]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return f"{', '.join(shown[:_SHOWN])}{more}" if shown else "none"


def _shown(target: Target) -> Path:
    return target.settings.output_dir / target.output.name
