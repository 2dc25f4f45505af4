"""Write a bill of materials with cyclonedx-python-lib. Runs in the tool environment that has this library.

`python cyclonedx_script.py REQUEST ANSWER` reads the JSON file REQUEST, which is a `Bill` of `nox_pex.evidence.sbom`,
and writes the JSON file ANSWER. `bom` is the document of CycloneDX 1.6. `licences` has, for the root and for each
component in their order, the SPDX expressions that its metadata declares, and the names that no expression can have.
This file imports nothing of nox-pex.

Fact sources: CycloneDX 1.6; PEP 639; the SPDX specification, annex "SPDX license expressions".
"""

from __future__ import annotations

import json
import re
import sys
import uuid
import warnings
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalContact, OrganizationalEntity
from cyclonedx.model.license import DisjunctiveLicense, License, LicenseAcknowledgement, LicenseExpression
from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.spdx import is_supported_id
from license_expression import (
    ExpressionError,
    ExpressionParseError,
    LicenseSymbol,
    Licensing,
    get_license_index,
)
from packageurl import PackageURL

NAMESPACE = uuid.UUID("6fdc2b5e-9c1d-5c1e-8a55-3f7a3b1f5b0a")
"""The namespace of serial numbers."""

_DECLARED = LicenseAcknowledgement.DECLARED

LONGEST_NAME = 100
"""Characters of the name of a licence. Some metadata has the whole text of a licence there."""

ALIASES: dict[str, tuple[str, ...]] = {
    "0BSD": ("Zero-Clause BSD", "BSD Zero Clause License"),
    "AGPL-3.0-only": ("AGPLv3", "GNU Affero General Public License v3"),
    "AGPL-3.0-or-later": ("AGPLv3+", "GNU Affero General Public License v3 or later (AGPLv3+)"),
    "Apache-2.0": (
        *("Apache 2", "Apache 2.0", "Apache-2", "Apache License 2", "Apache License 2.0", "Apache License v2.0"),
        *("Apache License, Version 2.0", "Apache License Version 2.0", "Apache Software License 2.0", "ASL 2.0"),
        *("Apache Software License Version 2.0", "Apache Software License, Version 2.0", "Apache2.0", "Apache2"),
        *("Apache License (2.0)", "Apache v2", "Apache v2.0", "The Apache License, Version 2.0"),
    ),
    "BSD-2-Clause": (
        *("2-Clause BSD", "2-Clause BSD License", "BSD 2-Clause", "BSD 2-Clause License", "BSD 2 Clause"),
        *("Simplified BSD", "Simplified BSD License", 'BSD 2-Clause "Simplified" License'),
    ),
    "BSD-3-Clause": (
        *("3-Clause BSD", "3-Clause BSD License", "BSD 3-Clause", "BSD 3-Clause License", "BSD 3 Clause"),
        *("BSD-3", "BSD-3-Clause License", "New BSD", "New BSD License", "Modified BSD", "Modified BSD License"),
        *("The BSD 3-Clause License", 'BSD 3-Clause "New" or "Revised" License', "new-style BSD"),
    ),
    "BSL-1.0": ("Boost Software License 1.0", "Boost Software License 1.0 (BSL-1.0)"),
    "CC0-1.0": ("CC0", "CC0 1.0", "CC0 1.0 Universal", "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication"),
    "EPL-1.0": ("Eclipse Public License 1.0", "Eclipse Public License 1.0 (EPL-1.0)"),
    "EPL-2.0": ("Eclipse Public License 2.0", "Eclipse Public License 2.0 (EPL-2.0)"),
    "EUPL-1.1": ("European Union Public Licence 1.1 (EUPL 1.1)",),
    "EUPL-1.2": ("European Union Public Licence 1.2 (EUPL 1.2)", "EUPL 1.2"),
    "GPL-2.0-only": ("GPLv2", "GNU General Public License v2 (GPLv2)"),
    "GPL-2.0-or-later": ("GPLv2+", "GNU General Public License v2 or later (GPLv2+)"),
    "GPL-3.0-only": ("GPLv3", "GNU General Public License v3 (GPLv3)"),
    "GPL-3.0-or-later": ("GPLv3+", "GNU General Public License v3 or later (GPLv3+)"),
    "HPND": ("Historical Permission Notice and Disclaimer (HPND)",),
    "ISC": ("ISC License", "ISC Licence", "ISC License (ISCL)", "ISCL", "The ISC License"),
    "LGPL-3.0-only": ("LGPLv3", "GNU Lesser General Public License v3 (LGPLv3)"),
    "LGPL-3.0-or-later": ("LGPLv3+", "GNU Lesser General Public License v3 or later (LGPLv3+)"),
    "MIT": (
        *("MIT License", "MIT Licence", "The MIT License", "MIT License (MIT)", "The MIT License (MIT)", "Expat"),
        *("MIT/Expat", "Expat License", "MIT License (Expat)"),
    ),
    "MIT-0": ("MIT No Attribution", "MIT No Attribution License (MIT-0)"),
    "MPL-1.1": ("Mozilla Public License 1.1 (MPL 1.1)", "MPL 1.1"),
    "MPL-2.0": (
        *("MPL 2.0", "MPL2", "MPLv2", "Mozilla Public License 2.0", "Mozilla Public License 2.0 (MPL 2.0)"),
        *("Mozilla Public License, Version 2.0", "Mozilla Public License Version 2.0"),
    ),
    "NCSA": ("University of Illinois/NCSA Open Source License",),
    "PostgreSQL": ("PostgreSQL License",),
    "Unlicense": ("The Unlicense", "The Unlicense (Unlicense)"),
    "UPL-1.0": ("Universal Permissive License (UPL)",),
    "Zlib": ("zlib/libpng License", "zlib License"),
    "ZPL-2.1": ("ZPL 2.1", "ZPLv2.1", "Zope Public License 2.1"),
}
"""Names of licences in the metadata of distributions that mean one licence only, by its SPDX identifier.

A name that several licences have is not here, such as "BSD License", "Apache Software License" and "LGPL".
"""

_LINKS = {
    "website": ExternalReferenceType.WEBSITE,
    "vcs": ExternalReferenceType.VCS,
    "issue-tracker": ExternalReferenceType.ISSUE_TRACKER,
    "documentation": ExternalReferenceType.DOCUMENTATION,
    "release-notes": ExternalReferenceType.RELEASE_NOTES,
    "distribution": ExternalReferenceType.DISTRIBUTION,
}

_ALGORITHMS = {
    "md5": HashAlgorithm.MD5,
    "sha1": HashAlgorithm.SHA_1,
    "sha256": HashAlgorithm.SHA_256,
    "sha384": HashAlgorithm.SHA_384,
    "sha512": HashAlgorithm.SHA_512,
}

OTHER = re.compile(r"(?!LicenseRef-).*[0-9].*")
"""An older identifier of a licence: with a version."""

REFERENCE = re.compile(r"(?:DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+|AdditionRef-[A-Za-z0-9.-]+")
"""A licence or an exception that the SPDX list does not have."""


def make_licensing() -> Licensing:
    """Return the parser of expressions, which knows the SPDX list and `ALIASES`."""
    symbols = {}
    for entry in get_license_index():
        key = entry.get("spdx_license_key") or ""
        if key and not key.startswith("LicenseRef-") and not (entry.get("is_deprecated") and key in symbols):
            # The index takes "GPL" for the first version or any later one.
            others = [each for each in entry.get("other_spdx_license_keys") or () if OTHER.fullmatch(each)]
            aliases = (*others, *ALIASES.get(key, ()))
            symbols[key] = LicenseSymbol(key, aliases=aliases, is_exception=bool(entry.get("is_exception")))
    return Licensing(symbols.values())


def canonical(text: str, licensing: Licensing) -> str | None:
    """Return an expression in canonical form; None if `text` is none, or has a name that is not in the SPDX list."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = licensing.parse(text, validate=False, strict=True, simple=False)
            if parsed is None:
                return None
            unknown = licensing.unknown_license_symbols(parsed)
            if not all(REFERENCE.fullmatch(symbol.key) for symbol in unknown):
                return None
            return str(parsed.render("{symbol.key}"))
    except (ExpressionError, ExpressionParseError, RecursionError, ValueError, TypeError, AttributeError, IndexError):
        return None


def declared(licences: Mapping[str, Any], licensing: Licensing) -> tuple[list[str], list[str]]:
    """Return the SPDX expressions that metadata declares, and the names of licences that none can have."""
    if licences["expression"]:
        expression = canonical(licences["expression"], licensing)
        return ([expression], []) if expression else ([], [short(licences["expression"])])
    lines = [line.strip() for line in (licences["text"] or "").split("\n") if line.strip()]
    if lines and (expression := canonical(lines[0], licensing) if len(lines[0]) <= LONGEST_NAME else None):
        return [expression], []
    found: dict[str, None] = {}
    names: dict[str, None] = {}
    for name in licences["classifiers"]:
        mapped = canonical(name, licensing)
        (names if mapped is None else found)[mapped or short(name)] = None
    if not found and not names and lines:
        names[short(lines[0])] = None
    return list(found), list(names)


def short(name: str) -> str:
    """Return the name of a licence, cut off if it is long."""
    name = " ".join(name.split())
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def as_licences(expressions: list[str], names: list[str]) -> list[License]:
    """Return licences in the form of CycloneDX: either one expression, or identifiers and names."""
    if len(expressions) == 1 and not names:
        return [LicenseExpression(expressions[0], acknowledgement=_DECLARED)]
    known = [
        DisjunctiveLicense(id=each, acknowledgement=_DECLARED)
        if is_supported_id(each)
        else DisjunctiveLicense(name=each, acknowledgement=_DECLARED)
        for each in expressions
    ]
    return [*known, *(DisjunctiveLicense(name=name, acknowledgement=_DECLARED) for name in names)]


def entity(name: str | None) -> OrganizationalEntity | None:
    """Return an organisation or a person by its name."""
    return OrganizationalEntity(name=name) if name else None


def properties(pairs: Iterable[tuple[str, str]]) -> list[Property]:
    """Return properties in the form of CycloneDX."""
    return [Property(name=name, value=value) for name, value in pairs]


def component(entry: Mapping[str, Any], licences: list[License]) -> Component:
    """Return a component in the form of CycloneDX."""
    return Component(
        bom_ref=entry["ref"],
        type=ComponentType(entry["type"]),
        name=entry["name"],
        version=entry["version"],
        description=entry["description"] or None,
        supplier=entity(entry["supplier"]),
        authors=[OrganizationalContact(name=name) for name in entry["authors"]],
        purl=PackageURL.from_string(entry["purl"]) if entry["purl"] else None,
        hashes=[
            HashType(alg=_ALGORITHMS[algorithm], content=digest)
            for algorithm, digest in entry["hashes"]
            if algorithm in _ALGORITHMS
        ],
        licenses=licences,
        external_references=[
            ExternalReference(
                type=_LINKS.get(kind, ExternalReferenceType.OTHER), url=XsUri(address), comment=label or None
            )
            for kind, address, label in entry["links"]
        ],
        properties=properties(entry["properties"]),
    )


def document(request: Mapping[str, Any], licences: Mapping[str, list[License]]) -> dict[str, Any]:
    """Return the document, without its serial number."""
    components = {
        entry["ref"]: component(entry, licences[entry["ref"]]) for entry in (request["root"], *request["components"])
    }
    root = components[request["root"]["ref"]]
    tool = request["tool"]
    metadata = BomMetaData(
        timestamp=datetime.fromisoformat(request["timestamp"]),
        tools=ToolRepository(
            components=[Component(type=ComponentType.APPLICATION, name=tool["name"], version=tool["version"])]
        ),
        authors=[OrganizationalContact(name=request["author"])],
        component=root,
        supplier=entity(request["root"]["supplier"]),
        lifecycles=[PredefinedLifecycle(phase=LifecyclePhase.POST_BUILD)],
        properties=properties(request["properties"]),
    )
    bom = Bom(metadata=metadata, components=[each for each in components.values() if each is not root])
    for ref, needed in request["dependencies"].items():
        bom.register_dependency(components[ref], [components[each] for each in needed])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    del written["serialNumber"]
    # The library has no class for compositions.
    refs = sorted(components)
    written["compositions"] = [
        {"aggregate": "complete", "assemblies": [root.bom_ref.value]},
        {"aggregate": request["graph"], "dependencies": refs},
    ]
    return written


def main() -> None:
    """Read the request, and write the answer."""
    request = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    licensing = make_licensing()
    entries = (request["root"], *request["components"])
    found = {entry["ref"]: declared(entry["licences"], licensing) for entry in entries}
    written = document(request, {ref: as_licences(*each) for ref, each in found.items()})
    text = json.dumps(written, sort_keys=True, ensure_ascii=True)
    serial = {"serialNumber": uuid.uuid5(NAMESPACE, text).urn}
    head: dict[str, Any] = {key: written.pop(key) for key in ("$schema", "bomFormat", "specVersion") if key in written}
    bom: dict[str, Any] = {**head, **serial, **dict(sorted(written.items()))}
    answer = {
        "bom": bom,
        "licences": [{"expressions": each[0], "names": each[1]} for each in found.values()],
    }
    Path(sys.argv[2]).write_text(json.dumps(answer), "utf-8")


if __name__ == "__main__":
    main()
