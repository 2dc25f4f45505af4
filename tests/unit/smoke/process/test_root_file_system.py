"""Root file systems whose files try to reach this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.smoke.process.confinement import RootConfinement
from nox_pex.smoke.process.program import Command, Program, UnavailableError

pytestmark = [
    pytest.mark.programs,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has root file systems of programs"),
]

PLACES = ("tmp", "proc", "sys", "dev", "etc/hosts", "srv")
LINKS = {
    "absolute": "{outside}",
    "above the root": "../../../../../../../../../..{outside}",
    "through proc": "/proc/self/root{outside}",
    "through the old root": "/proc/1/root{outside}",
    "the root": "/",
    "a loop": "loop",
    "nowhere": "/nowhere/at/all",
    "another place": "/dev/null",
}


def started(root: Path, place: Path) -> str:
    """Start a program that does not exist in the root, and return why it does not run."""
    confinement = RootConfinement(
        lower=(str(root),), overlay=True, place=place, user=65532, group=65532, hostname="it", directory="/srv/there",
        files={"/etc/hosts": "covered\n"}, shared=(), as_root=os.geteuid() == 0,
    )  # fmt: skip
    output = place.parent / "output"
    output.touch()
    command = Command(argv=("/no-program",), env={}, cwd=Path("/"), stdout=output)
    program = Program(
        command, confinement=confinement, not_started=lambda _, __, reason: NoxPexError("usage", reason, "")
    )
    try:
        program.start()
    except NoxPexError as error:
        return error.problem
    finally:
        program.end()
    return "it runs"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty root. Skip the test if this machine has no such file systems."""
    empty = tmp_path / "lower"
    empty.mkdir(mode=0o755)
    (tmp_path / "place").mkdir()
    try:
        assert started(empty, tmp_path / "place") == "No such file or directory"
    except UnavailableError as refusal:
        pytest.skip(str(refusal))
    return empty


@pytest.mark.parametrize("place", PLACES)
def test_links_lead_to_no_file_of_this_machine_and_are_no_refusal_of_the_kernel(place: str, root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "file").write_text("unchanged", "utf-8")
    link = root / place
    link.parent.mkdir(exist_ok=True)
    for target in LINKS.values():
        link.symlink_to(target.format(outside=outside / "file" if "/" in place else outside))
        started(root, root.parent / "place")  # it does not raise `UnavailableError`
        link.unlink()
        assert [each.name for each in outside.iterdir()] == ["file"]
        assert (outside / "file").read_text("utf-8") == "unchanged"
        assert (
            [each.name for each in root.iterdir()] == [link.parent.name] if "/" in place else not list(root.iterdir())
        )


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("etc/hosts", "the image has a directory at /etc/hosts"),
        ("proc", "the image has no usable /proc"),
        ("tmp", "the image has no directory at /tmp"),
        ("srv", "the image has no usable /srv/there: Not a directory"),
    ],
)
def test_files_of_another_kind_are_named(place: str, reason: str, root: Path) -> None:
    path = root / place
    path.parent.mkdir(exist_ok=True)
    if place == "etc/hosts":
        path.mkdir()
    elif place == "proc":
        path.symlink_to("/tmp")  # noqa: S108  # in the root
    else:
        path.write_text("a file", "utf-8")
    assert started(root, root.parent / "place").startswith(reason)
