"""Make the scies of a finished PEX with pex, move them into place, and record them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from nox_pex.distributions import pex_file, scie_file
from nox_pex.pex import checksums, cli, scie_command, scies
from nox_pex.pex.build_record import RecordedScie
from nox_pex.pex.target import Contents, Target, platforms_of
from nox_pex.platforms import platform
from nox_pex.system import files
from nox_pex.system.wording import megabytes
from nox_pex.tools import pinned
from nox_pex.tools.provision import Provisioner


class ScieBuilder(Struct, frozen=True, kw_only=True):
    """Makes the scies of the binary `target`; none if the settings do not have the key `scie`.

    `directory` is a temporary directory next to the binary. pex inherits `lock_descriptor`, the lock on the binary.
    """

    target: Target
    installed: Contents
    provisioner: Provisioner
    directory: Path
    lock_descriptor: int

    def make(self, pex: Path) -> tuple[RecordedScie, ...]:
        """Make the scies of the finished file `pex` in `directory`, and return them.

        Raises `NoxPexError`: `index-unreachable`, `build-failed`; `disk-full` if a directory is in the place of one.
        """
        target = self.target
        if target.table.scie is None:
            return ()
        self._directory.mkdir()
        copy = self._directory / target.output.name
        files.link(pex, copy)
        shell = self.provisioner.shell
        shell.say(f"pex: making the scie of {target.name}")
        outcome = shell.run(
            self._argv(copy),
            what=f"pex: {target.name}",
            env=cli.pex_environ(shell.environ),
            cwd=self._directory,
            hold=(self.lock_descriptor,),
        )
        made = tuple(_made(self._directory, target.stem))
        if outcome.status != 0 or not made:
            raise scie_command.failure(outcome, target.table, of=target.name)
        for scie in made:
            files.require_replaceable(target.directory / scie.file)
        return made

    def contents(self, made: Sequence[RecordedScie]) -> dict[str, str]:
        """Return the quick digests of new scies by file name, before they are moved."""
        return {scie.file: pex_file.quick_digest(self._directory / scie.file) for scie in made}

    def move_into_place(self, made: Sequence[RecordedScie]) -> None:
        """Move the scies to the output directory, each as a whole."""
        for scie in made:
            (self._directory / scie.file).replace(self.target.directory / scie.file)

    def write_record(
        self, record: Mapping[str, Any], made: Sequence[RecordedScie], *, former: Mapping[str, Any]
    ) -> None:
        """Write the build record with the scies that are in place, and show them.

        Those in the record `former`, of the last build, that are not among them are removed first.
        """
        target, say = self.target, self.provisioner.shell.say
        for path in scies.stale(target, former, made):
            path.unlink(missing_ok=True)
            say(f"pex: removed {path.name}, which the settings no longer ask for")
        checksums.remove_former(target, former, made)
        without = {key: value for key, value in record.items() if key != "scies"}
        files.write_record(target.record, {**without, "scies": msgspec.to_builtins(made)} if made else without)
        for scie in made:
            place = target.settings.output_dir / scie.file
            say(f"pex: scie {scie.file}, {megabytes(scie.size)}, {scie.python or 'a Python'} ({place})")

    @property
    def _directory(self) -> Path:
        """The directory in which pex works."""
        return self.directory / "scie"

    def _argv(self, pex: Path) -> list[str]:
        version, installed = self.target.settings.pex_version, self.installed
        return scie_command.scie_argv(
            self.target.table,
            python=pinned.provide_pex(self.provisioner, version, interpreter=installed.interpreter),
            pex=pex,
            root=self.target.project.root,
            python_path=installed.environment.python.parent,
            interpreters=installed.interpreters,
            platforms=platform.write(platforms_of(installed), self._directory / "platforms"),
            pex_root=self.provisioner.caches.pex_root / (version or pinned.PEX),
        )


def _made(directory: Path, stem: str) -> Iterator[RecordedScie]:
    """Yield the scies of the binary `stem` in a directory."""
    for path in sorted(directory.iterdir()):
        platform_name = scie_file.platform_in(path.name, stem=stem)
        if platform_name is None or not path.is_file():
            continue
        path.chmod(0o755)
        yield RecordedScie(
            file=path.name,
            platform=platform_name,
            sha256=files.digest(path),
            size=path.stat().st_size,
            python=_python_in(path),
        )


def _python_in(path: Path) -> str | None:
    """Return the portable Python that a new scie has; None if it cannot be read, which `verify` reports."""
    try:
        return scie_file.read(path).python
    except scie_file.ScieError:
        return None
