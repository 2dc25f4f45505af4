"""The facts that `attest` and `push` state about a binary, refused if they are not those of today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nox_pex.errors import NoxPexError
from nox_pex.evidence import bom_file, materials, tool_files
from nox_pex.evidence.provenance import Build
from nox_pex.pex import build_record, inputs, repository
from nox_pex.pex.target import Target
from nox_pex.poetry import lock
from nox_pex.steps import sbom, table
from nox_pex.steps.context import Context
from nox_pex.system import files, fingerprint
from nox_pex.system.git import Git
from nox_pex.tools import pinned


def record(target: Target, *, sha256: str) -> Mapping[str, Any]:
    """Return the build record of the binary; empty if it is a file that the user names, and not the last build here.

    Raises `NoxPexError` `not-proven` if the binary is no such file, and not the last build either.
    """
    found = build_record.of_last_build(target, sha256=sha256)
    if not found and target.prebuilt is None:
        problem = f"{target.binary} and its build record are not as the last build in this checkout left them"
        raise NoxPexError("not-proven", problem, "build it with `nox -s pex`")
    return found


def digest(target: Target) -> str:
    """Return the SHA-256 of the binary. Raises `NoxPexError` `not-proven` if it is not a file."""
    binary = target.binary
    if binary.is_dir():
        problem = f"{binary} is a directory, which has no SHA-256 that others could compare"
        raise NoxPexError("not-proven", problem, f"remove {target.key}.layout, so that it is one file")
    sha256 = files.digest(binary)
    if not sha256:
        raise NoxPexError("not-proven", f"{binary} does not exist", "build it with `nox -s pex`")
    return sha256


def bill(context: Context, target: Target, *, sha256: str) -> Mapping[str, Any]:
    """Return the bill of materials. Raises `NoxPexError` `not-proven` if it is not what `sbom` would write today."""
    found = bom_file.read(target.file("cdx.json"), sha256=sha256)
    if not sbom.is_current(context, target):
        problem = f"{target.file('cdx.json')} is not what `sbom` would write today, or a licence in it is not allowed"
        raise NoxPexError("not-proven", problem, "run `nox -s sbom`")
    return found


def build(context: Context, target: Target, record: Mapping[str, Any]) -> Build:
    """Return everything that the provenance says.

    The lock, Poetry, pex and the Python are those of today. Raises `NoxPexError` `not-proven` if the binary was built
    with others.
    """
    installed = context.installed(target)
    last = build_record.read_last_build(target.state_file("build.json"))
    now = inputs.of_environment(target, installed)
    then = {kind: last.inputs.get(kind, {}) for kind in now} if last is not None else {}
    if changes := fingerprint.changes(then, now):
        problem = f"since {target.binary.name} was built, something of its build changed: {', '.join(changes)}"
        raise NoxPexError("not-proven", problem, "run it again with the sessions before it, which build and prove it")
    commit = build_record.commit(record)
    git = Git(root=target.project.root, environ=context.environ)
    poetry = pinned.provide_poetry(context.provisioner, context.settings.poetry_version)
    pex = pinned.install_pex(context.provisioner, context.settings.pex_version, interpreter=installed.interpreter)
    return Build(
        record=record,
        binary=target.name,
        source=_source(context, git, commit.commit) if commit is not None else repository.SourceRef(),
        materials=materials.materials(_shipped(record), installed, lock.read(target.project.lock)),
        tools=(tool_files.installed("poetry", python=poetry.python), tool_files.installed("pex", python=pex)),
        python=installed.interpreter,
        path_digests=installed.path_digests,
        builder_id=context.settings.attest.builder_id,
        overrides=_overrides(context),
    )


def _source(context: Context, git: Git, commit: str) -> repository.SourceRef:
    """Return the repository and the ref of a commit, without what has a secret: masked, it would name another one."""
    found = repository.source_ref(git, commit=commit)

    def public(text: str | None) -> str | None:
        return text if text is not None and context.secrets.mask(text) == text else None

    return repository.SourceRef(repository=public(found.repository), ref=public(found.ref))


def _overrides(context: Context) -> Mapping[str, Any]:
    """Return the options of the command line that a step of this run used. Without that step, they changed nothing."""
    used = {option for step in context.steps for option in table.STEPS[step].options}
    return {name: value for name, value in context.arguments.overrides.items() if name in used}


def _shipped(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the name and the version of each distribution in a build record."""
    return [(each.get("name", ""), each.get("version", "")) for each in record.get("distributions", ())]
