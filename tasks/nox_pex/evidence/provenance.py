"""The predicate of a build: SLSA "Provenance" v1.

Fact sources: SLSA "Provenance" v1; in-toto attestation framework, "DigestSet" and "ResourceDescriptor".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.evidence import documents
from nox_pex.evidence.materials import Material
from nox_pex.evidence.tool_files import ToolFile
from nox_pex.pex import build_record
from nox_pex.pex.repository import SourceRef
from nox_pex.system import files
from nox_pex.version import __version__

_TREE: Final = "noxPexTree"
"""The name of the digest of a path dependency's content: the SHA-256 of the paths and digests of its files."""


class Build(Struct, frozen=True, kw_only=True):
    """Everything that the provenance of a binary says.

    `binary` is its name in the settings, `record` its build record. `source` are the repository and the ref of the
    checkout. `materials` are the locked files of its distributions, `tools` the files of Poetry and pex, `python` is
    the Python that pex ran on. `path_digests` are the digests of the content of path dependencies, by name.
    `builder_id` is the setting, and `overrides` are the options of the command line that changed the build.
    """

    binary: str
    record: Mapping[str, Any]
    source: SourceRef
    materials: Sequence[Material]
    tools: Sequence[ToolFile]
    python: Interpreter
    path_digests: Mapping[str, str] = {}
    builder_id: str | None = None
    overrides: Mapping[str, Any] = {}


def predicate(build: Build) -> dict[str, Any]:
    """Return the predicate. Raises `OSError` if the file of the Python cannot be read."""
    record, commit = build.record, build_record.commit(build.record)
    external = {
        "repository": build.source.repository,
        "ref": build.source.ref,
        "binary": build.binary,
        "overrides": dict(build.overrides),
    }
    internal = {"dirty": None if commit is None else commit.dirty, "platform": record.get("platform")}
    times = build_record.times(record)
    metadata = {"startedOn": times.started, "finishedOn": times.finished} if times is not None else {}
    return {
        "buildDefinition": {
            "buildType": documents.BUILD_TYPE,
            "externalParameters": _known(external),
            "internalParameters": _known(internal),
            "resolvedDependencies": list(_dependencies(build)),
        },
        "runDetails": {
            "builder": {
                "id": build.builder_id or documents.LOCAL_BUILDER,
                "version": {"nox-pex": record.get("tools", {}).get("nox-pex", __version__)},
            },
            **({"metadata": metadata} if metadata else {}),
        },
    }


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are known, and not empty; `False` is known."""
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}


def _dependencies(build: Build) -> Iterator[dict[str, Any]]:
    """Yield a descriptor of each resolved dependency."""
    commit = build_record.commit(build.record)
    if commit is not None:
        uri = build.source.uri
        yield {**({"uri": uri} if uri else {"name": "sources"}), "digest": {"gitCommit": commit.commit}}
    if lock := build.record.get("lock-hash"):
        yield {"name": "poetry.lock", "digest": {"sha256": lock}}
    for material in build.materials:
        yield from _of_material(material, build.path_digests.get(material.name))
    for tool in build.tools:
        yield tool.as_json()
    yield _of_python(build.python)


def _of_material(material: Material, path_digest: str | None) -> Iterator[dict[str, Any]]:
    """Yield a descriptor of each file that a distribution was installed from, or may have been installed from.

    One from Git has a commit, and a path dependency the digest of its content. The project itself, which has neither,
    is what is built.
    """
    annotations: dict[str, Any] = {}
    if material.from_sdist:
        annotations["builtFromSdist"] = True
    if len(material.files) > 1:
        annotations["candidate"] = True
    of_all = {"annotations": annotations} if annotations else {}
    for file in material.files:
        algorithm, _, value = file.hash.partition(":")
        yield {"name": file.name, "uri": material.purl, "digest": {algorithm: value}, **of_all}
    digest = {"gitCommit": material.commit} if material.commit is not None else {_TREE: path_digest}
    if not material.files and None not in digest.values():
        yield {"name": str(material.name), "uri": material.purl, "digest": digest}


def _of_python(python: Interpreter) -> dict[str, Any]:
    """Return the descriptor of a Python: the digest is that of its executable, without its library."""
    name = f"{python.implementation} {python.version}"
    return {
        "name": name,
        "digest": {"sha256": files.digest(python.executable)},
        "annotations": {"file": python.executable.name},
    }
