"""The command lines that a page offers to paste, quoted for a shell. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from msgspec import Struct

from nox_pex.evidence.kinds import KINDS, Kind
from nox_pex.page.model import Command
from nox_pex.pex import checksums

NEXT_TO_FILE = "the directory of the file"
"""The directory of the commands that check the file: whoever gets it has nothing else."""


_OF_IMAGE: Final[tuple[Kind, ...]] = ("provenance", "smoke", "sbom")
"""The kinds that `nox-pex check --image` requires by default."""


class Sessions(Struct, frozen=True, kw_only=True):
    """The ways to run steps: `commands` by the names of the steps, and the `arguments` that each of them takes.

    `where` is the directory for them, in words.
    """

    commands: Mapping[str, str]
    arguments: str
    where: str

    def command(self, step: str, *, purpose: str = "") -> Command | None:
        """Return the command that runs a step for this binary; None if there is no session for it."""
        line = self.commands.get(step)
        text = f"{line}{self.arguments}" if line else ""
        return Command(text=text, where=self.where, purpose=purpose) if line else None


def checksum(file: str, *, sha256: str, is_directory: bool, has_checksums: bool) -> Command | None:
    """Return the command that compares the file with the page; None if there is none for it.

    A directory has a list of the checksums of its files, if nox-pex built it (`has_checksums`).
    """
    if not file.isprintable() or "\\" in file:
        return None  # coreutils escape such a name
    if is_directory:
        listed = shlex.quote(f"{file}{checksums.SUFFIX}")
        text = f"sha256sum -c {listed}" if has_checksums else ""
    else:
        text = f"echo {shlex.quote(f'{sha256}  {file}')} | sha256sum -c"
    return Command(text=text, where=NEXT_TO_FILE, purpose="compare the file with its SHA-256") if text else None


def check(file: str, *, bundle: str, kinds: Collection[Kind]) -> Iterator[Command]:
    """Yield the command with which whoever deploys the file checks its signed statements.

    `bundle` is the name of the file with them, and `kinds` are those that are signed.
    """
    if file.startswith("-") or not file.isprintable() or not bundle.isprintable():
        return
    words = ["nox-pex", "check", file]
    if bundle != f"{file}.intoto.jsonl":
        words += ["--bundle", bundle]
    words += ["--key", "key.pub"]
    if missing := [kind for kind in KINDS if kind not in kinds]:
        words += ["--require", ",".join(kind for kind in KINDS if kind not in missing)]
    yield Command(
        text=shlex.join(words),
        where=NEXT_TO_FILE,
        purpose="check the signatures (key.pub is the public key of whoever signed)",
    )


def check_image(name: str, *, kinds: Collection[str]) -> Iterator[Command]:
    """Yield the command that checks the statements about a pushed image, of which `kinds` are signed.

    `name` has the digest of the image.
    """
    signed = [kind for kind in KINDS if kind in kinds]
    if signed and name.isprintable() and not name.startswith("-"):
        words = ["nox-pex", "check", "--image", name, "--key", "key.pub"]
        words += ["--require", ",".join(signed)] if not {*_OF_IMAGE} <= {*signed} else []
        purpose = "check the statements about the image in its registry"
        yield Command(text=shlex.join(words), where="any directory", purpose=purpose)


def sign(directory: str, *, where: str) -> Command:
    """Return the command that signs finished statements."""
    words = ["nox-pex", "sign", directory, "--key", "key.pem"]
    return Command(text=shlex.join(words), where=where, purpose="sign the statements with your private key")
