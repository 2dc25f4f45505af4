"""From a finished install to a binary: decide whether anything changed, build aside, move it into place whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from nox_pex import files, record, sources
from nox_pex.command import Clock, Shell, tool_environ
from nox_pex.config import Sources
from nox_pex.inputs import Inputs, digests
from nox_pex.install import counted
from nox_pex.target import Taken, Target, inputs_of, take
from nox_pex.tools import Provisioner

if TYPE_CHECKING:
    from nox_pex.assembly import Built


class Builder(Struct, frozen=True, kw_only=True):
    """Builds targets.

    `force` builds even where nothing changed. `plain` has pex do all of it, and takes nothing over that was packed
    before: slower, the same bytes, and so what a binary can be judged by.
    """

    provisioner: Provisioner
    force: bool
    plain: bool = False
    _seen: dict[Sources, Taken] = {}

    @property
    def shell(self) -> Shell:
        """How tools are run, and where a line to the user goes."""
        return self.provisioner.shell

    def build(self, target: Target) -> None:
        """Let the binary of `target` be what its inputs say, and its record with it.

        Raises `NoxPexError`; the binary that was there before is then untouched.
        """
        with files.writing(f"{target.output}"):
            target.directory.mkdir(parents=True, exist_ok=True)
            waiting = f"pex: waiting for another run that builds {target.output}"
            with files.locked(target.state / f"{target.stem}.lock", waiting=lambda: self.shell.say(waiting)) as held:
                self._build(target, held=held)

    def _build(self, target: Target, *, held: int) -> None:
        inputs = inputs_of(target, self._glance(target), version=self._version_inputs(target))
        memory = target.state / f"{target.stem}.inputs.json"
        change = record.change(
            target.output, files.read_json(target.record), remembered=files.read_json(memory), inputs=inputs
        )
        if change is None and not self.force:
            self.shell.say(f"pex: {target.name} unchanged, {_megabytes(target.output)} ({_shown(target)})")
            return
        why = ", ".join(change.words) if change is not None else "forced"
        self.shell.say(f"pex: {'re' if target.output.exists() else ''}building {target.name}: {why}")
        from nox_pex.assembly import Assembler  # noqa: PLC0415 (not needed where nothing changed)

        taken = take(target)  # by now: another binary may have been built since the glance
        # All else as it was judged: what changes in between has to count as changed.
        inputs = {**inputs, "sources": inputs_of(target, taken, version=self._version_inputs(target))["sources"]}
        self._tell_left_out(target, taken)
        clock = Clock()
        clock.seconds["install"] = round(target.installed.seconds, 3)
        with _workshop(target) as workshop:
            edited = change is not None and change.kinds == {"sources"} and not self.force
            assembler = Assembler(provisioner=self.provisioner, plain=self.plain)
            built = assembler.assemble(target, taken, workshop=workshop, clock=clock, held=held, edited=edited)
            inputs = {**inputs, "sources": {**inputs["sources"], **_generated(target, taken)}}
            entry = _record(target, taken, inputs, built=built, clock=clock, git=self._git(target))
            files.move_into_place(built.path, target.output)
        # From here to the next two lines the record does not fit the binary; a run that finds it so builds again.
        files.write_json(memory, inputs)
        files.write_json(target.record, entry)
        self.shell.say(
            f"pex: {target.name} built in {sum(s for step, s in clock.seconds.items() if step != 'install'):.1f} s, "
            f"{_megabytes(target.output)}, {counted(entry['distributions'])} ({_shown(target)})"
        )

    def _glance(self, target: Target) -> Taken:
        """What the project's part was when the first binary with these `sources` was looked at.

        Where that one has changed, so has this one, or it is looked at again; a hundred binaries of one project are
        judged by one look.
        """
        wanted = target.binary.sources
        if wanted not in self._seen:
            self._seen[wanted] = take(target)
        return self._seen[wanted]

    def _tell_left_out(self, target: Target, taken: Taken) -> None:
        if target.project.package_mode:
            return
        self.shell.say(f"pex: sources: {_listed(taken.digests)}")
        for left in taken.left_out:
            self.shell.say(f"pex: left out: {left}")

    def _version_inputs(self, target: Target) -> Mapping[str, str]:
        """What a build backend makes the version from that is no file: Git's name for the commit, and variables."""
        if not target.project.version_from_git:
            return {}
        env = tool_environ(self.shell.environ)
        described = ""
        with contextlib.suppress(OSError):
            for words in (["log", "-1", "--format=%H %D"], ["describe", "--tags", "--long", "--always", "--dirty"]):
                described += self.shell.run(["git", *words], what="git", env=env, cwd=target.project.root).output
        given = sorted((name, value) for name, value in env.items() if name.startswith(_VERSION_VARIABLES))
        return {"the version from Git": hashlib.sha256(repr((described, given)).encode()).hexdigest()}

    def _git(self, target: Target) -> Mapping[str, Any] | None:
        """The commit that the project is at, and whether anything in it is not committed; None outside Git.

        What we write into `output-dir` does not count, whether Git ignores it or not.
        """
        with contextlib.suppress(OSError):
            env = tool_environ(self.shell.environ)
            root = target.project.root
            head = self.shell.run(["git", "rev-parse", "HEAD"], what="git", env=env, cwd=root)
            if head.status == 0:
                places = [".", *_without(target.directory, root)]
                status = self.shell.run(["git", "status", "--porcelain", "--", *places], what="git", env=env, cwd=root)
                return {"commit": head.output.strip(), "dirty": bool(status.output.strip())}
        return None


_VERSION_VARIABLES: Final = ("POETRY_DYNAMIC_VERSIONING_", "SETUPTOOLS_SCM_", "DUNAMAI_", "VERSIONEER_")
"""Prefixes of the variables by which a user tells such a backend the version."""

_SHOWN: Final = 12
"""Files and directories at the root that are named one by one."""


def _generated(target: Target, taken: Taken) -> Mapping[str, str]:
    """The digests of files that a build script has just made or made anew in the project's directory.

    They are inputs, but what they were before that is of no interest. Only what Git ignores: a file that someone
    edited while the build ran has to count as changed.
    """
    if not target.project.package_mode:
        return {}
    after = take(target).digests
    differing = {name for name, digest in after.items() if taken.digests.get(name) != digest}
    return {name: after[name] for name in sources.ignored(target.project.root, differing)} if differing else {}


@contextlib.contextmanager
def _workshop(target: Target) -> Iterator[Path]:
    """A temporary directory beside the binary, so that the finished one is moved, not copied, into its place.

    It is locked while it is used, and goes when it is left; those of builds that were killed are swept first.
    """
    prefix = f".{target.stem}.pex."
    files.sweep(target.directory, prefix)
    with files.fresh(target.directory, prefix) as path:
        try:
            yield path
        finally:
            files.remove(path)


def _record(
    target: Target, taken: Taken, inputs: Inputs, *, built: Built, clock: Clock, git: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "name": target.name,
        "version": built.version,
        "sha256": record.digest(built.path),
        "size": record.size(built.path),
        "inputs": digests(inputs),
        "lock-hash": inputs["lock"]["poetry.lock"],
        "python": ", ".join(dict.fromkeys(f"{i.implementation} {i.version}" for i in target.interpreters)),
        "platform": [platform.tag for platform in target.platforms] or sysconfig.get_platform(),
        "tools": dict(inputs["tools"]),
        "git": git,
        "sources": {"taken": sorted(built.shipped), "left-out": [left.path for left in taken.left_out]},
        "distributions": [{"name": name, "version": version} for name, version in built.distributions],
        "seconds": clock.seconds,
    }


def _without(directory: Path, root: Path) -> tuple[str, ...]:
    """How Git is told to leave `directory` out (gitglossary(7), pathspec); nothing where it lies outside of `root`."""
    directory = Path(os.path.normpath(directory))
    inside = directory != root and directory.is_relative_to(root)
    return (f":(exclude,literal){directory.relative_to(root).as_posix()}",) if inside else ()


def _listed(names: Iterable[str]) -> str:
    """Files, and directories with how many are in each: `main.py, shop/ (12)`."""
    counts = Counter(f"{top}/" if below else top for top, below, _ in (name.partition("/") for name in names))
    shown = [f"{top} ({count})" if top.endswith("/") else top for top, count in sorted(counts.items())]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return f"{', '.join(shown[:_SHOWN])}{more}" if shown else "none"


def _megabytes(binary: Path) -> str:
    return f"{record.size(binary) / 1e6:.1f} MB"


def _shown(target: Target) -> Path:
    return target.settings.output_dir / target.output.name
