"""Write a bill of materials in CycloneDX, by the libraries in their tool environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.evidence.sbom.bill import Bill
from nox_pex.system import files, locks
from nox_pex.system.environ import tool_environ
from nox_pex.tools import pinned
from nox_pex.tools.provision import Provisioner

_SCRIPT: Final = Path(__file__).with_name("cyclonedx_script.py")


class Declared(Struct, frozen=True, kw_only=True):
    """The licences of a component: SPDX expressions, all of which apply, and names that are in none."""

    expressions: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class Written(Struct, frozen=True, kw_only=True):
    """The `text` of a document of CycloneDX, and the licences of each component by its ref."""

    text: str
    licences: Mapping[str, Declared]


class _Answer(Struct, frozen=True, kw_only=True):
    bom: dict[str, Any]
    licences: dict[str, Declared]


def write(bill: Bill, provisioner: Provisioner) -> Written:
    """Return the document of `bill`, in which every secret is masked.

    Raises `NoxPexError`: `tool-install`, or another one if the libraries cannot be installed.
    """
    shell = provisioner.shell
    python = pinned.provide_cyclonedx(provisioner)
    with locks.scratch("nox-pex-sbom-") as scratch:
        request, answer = scratch / "request.json", scratch / "answer.json"
        # Masked here, so that the serial number is that of the masked document.
        files.write_text(request, shell.secrets.mask_json(msgspec.json.encode(bill).decode()))
        argv = [str(python), "-I", str(_SCRIPT), str(request), str(answer)]
        outcome = shell.run(argv, what="sbom: cyclonedx", env=tool_environ(shell.environ), cwd=scratch)
        try:
            found = msgspec.json.decode(answer.read_bytes(), type=_Answer) if outcome.status == 0 else None
        except (OSError, msgspec.DecodeError):
            found = None
    if found is None:
        problem = "cyclonedx-python-lib could not write the bill of materials"
        raise NoxPexError("tool-install", problem, "run it again with --verbose, and report it", log=outcome.tail)
    text = shell.secrets.mask_json(msgspec.json.encode(found.bom).decode())
    return Written(text=text, licences=found.licences)
