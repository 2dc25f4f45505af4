"""Start as a PEX does: `unpacks.py MODE PORT`. It "unpacks", starts again, makes a "venv", and becomes its Python."""

import os
import sys
import time
from pathlib import Path

from serving import listening, serve

STEP = 0.3
"""Seconds that each phase takes."""


def main() -> None:
    _, mode, port, *_ = sys.argv
    root, stage = Path(os.environ["PEX_ROOT"]), os.environ.get("STAGE", "launch")
    unpacked, venv = root / "unzipped_pexes" / "0" / "x", root / "venvs" / "0" / "x"
    if stage == "launch" and not venv.exists():
        (root / "unzipped_pexes").mkdir(parents=True)
        time.sleep(STEP)
        unpacked.mkdir(parents=True)
        become(sys.executable, mode, port, str(unpacked), stage="venv")
    if stage == "venv":
        time.sleep(STEP)
        (venv / "bin").mkdir(parents=True)
        time.sleep(STEP)
    if stage != "program":
        become(f"{venv}/bin/python", mode, port, stage="program")
    time.sleep(STEP)
    if mode == "fails":
        sys.exit("no database")
    if mode == "hangs":
        time.sleep(60)
    if mode == "ends":
        return
    serve(listening(int(port)))


def become(name: str, *arguments: str, stage: str) -> None:
    """Replace this process by the same program, under the `name` and with the `arguments` that pex would have."""
    os.environ["STAGE"] = stage
    os.execv(sys.executable, [name, "-I", sys.argv[0], *arguments])  # noqa: S606  # as pex does


main()
