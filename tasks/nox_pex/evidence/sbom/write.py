"""Write a bill of materials in CycloneDX, by the libraries in their tool environment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.evidence.sbom.bill import Bill, Component, Licences
from nox_pex.system import files, locks, outside_text
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
    licences: list[Declared]


def write(bill: Bill, provisioner: Provisioner) -> Written:
    """Return the document of `bill`, in which every secret is masked.

    Raises `NoxPexError`: `tool-install`, or another one if the libraries cannot be installed.
    """
    shell = provisioner.shell
    python = pinned.provide_cyclonedx(provisioner)
    with locks.scratch("nox-pex-sbom-") as scratch:
        request, answer = scratch / "request.json", scratch / "answer.json"
        # Masked here, so that the serial number is that of the masked document.
        files.write_json(request, msgspec.to_builtins(_masked(bill, shell.secrets.mask)))
        argv = [str(python), "-I", str(_SCRIPT), str(request), str(answer)]
        outcome = shell.run(argv, what="sbom: cyclonedx", env=tool_environ(shell.environ), cwd=scratch)
        try:
            found = msgspec.json.decode(answer.read_bytes(), type=_Answer) if outcome.status == 0 else None
        except (OSError, msgspec.DecodeError):
            found = None
    if found is None:
        problem = "cyclonedx-python-lib could not write the bill of materials"
        raise NoxPexError("tool-install", problem, "run it again with --verbose, and report it", log=outcome.tail)
    refs = [bill.root.ref, *(each.ref for each in bill.components)]  # as they are without a mask
    return Written(text=outside_text.json_text(found.bom), licences=dict(zip(refs, found.licences, strict=True)))


def _masked(bill: Bill, mask: Callable[[str], str]) -> Bill:
    """Return `bill` with `mask` applied to each text in it. A package URL with a secret is left out."""
    return replace(
        bill,
        root=_masked_component(bill.root, mask),
        components=tuple(_masked_component(each, mask) for each in bill.components),
        dependencies={mask(ref): tuple(map(mask, needed)) for ref, needed in bill.dependencies.items()},
        author=mask(bill.author),
        properties=_masked_pairs(bill.properties, mask),
    )


def _masked_component(component: Component, mask: Callable[[str], str]) -> Component:
    licences = component.licences
    return replace(
        component,
        ref=mask(component.ref),
        name=mask(component.name),
        version=mask(component.version),
        purl=component.purl if mask(component.purl) == component.purl else "",
        description=mask(component.description),
        supplier=mask(component.supplier),
        authors=tuple(map(mask, component.authors)),
        links=tuple((kind, mask(address), mask(label)) for kind, address, label in component.links),
        licences=Licences(
            expression=mask(licences.expression),
            text=mask(licences.text),
            classifiers=tuple(map(mask, licences.classifiers)),
        ),
        properties=_masked_pairs(component.properties, mask),
    )


def _masked_pairs(pairs: Iterable[tuple[str, str]], mask: Callable[[str], str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, mask(value)) for name, value in pairs)
