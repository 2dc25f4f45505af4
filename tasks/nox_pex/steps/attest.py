"""`attest`: write statements about each binary and its proofs, and sign them if there is a key.

No process is started after the key is read. The session runs after all others (`Step.last`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nox_pex.errors import NoxPexError
from nox_pex.evidence import (
    attestations,
    bom_file,
    keys,
    materials,
    proof,
    provenance,
    signing,
    test_result,
    tool_files,
    verification_summary,
)
from nox_pex.evidence.attestations import Subject
from nox_pex.evidence.keys import SigningKey
from nox_pex.evidence.kinds import Kind
from nox_pex.evidence.provenance import Build
from nox_pex.pex import build_record, inputs, repository, scies
from nox_pex.pex.target import Target
from nox_pex.poetry import lock
from nox_pex.steps import sbom, table
from nox_pex.steps.context import Context
from nox_pex.steps.each_binary import each_binary
from nox_pex.system import files, fingerprint, locks, os_errors, withheld
from nox_pex.system.git import Git
from nox_pex.system.wording import counted
from nox_pex.tools import pinned


def run(context: Context) -> None:
    """Write `NAME.attestations` for each binary, and sign what is in it with the key that the user names.

    Signed statements are also in `NAME.pex.intoto.jsonl`, one on each line. Without a key, an older one is removed.
    Raises `NoxPexError`: `usage`, `not-proven`, `signing`. A failure of one binary does not stop the others.
    """
    context.check_prebuilt()
    with contextlib.ExitStack() as locked:
        _run(context, locked)


def _run(context: Context, locked: contextlib.ExitStack) -> None:
    """Write and sign. Each binary is `locked` from its statements to its signatures: no other run changes them."""
    stated: list[Target] = []

    def state(target: Target) -> None:
        waiting = f"attest: waiting for another run that states what {target.name} is"
        lock_file = target.state_file("attest.lock")
        locked.enter_context(locks.locked(lock_file, waiting=lambda: context.say(waiting)))
        with os_errors.one_line("attest", place=target.directory):  # it does not stop the other binaries
            signing.unsigned(_directory(target))
            attestations.require_place(_directory(target))
            attestations.remove(_directory(target))  # if this run is interrupted, or refuses, none is left
            _state(context, target)
        stated.append(target)

    failures = []
    try:
        each_binary(context, state)
    except NoxPexError as error:
        failures.append(error)
    try:
        _sign(context, stated)
    except NoxPexError as error:
        failures.append(error)
    if failures:
        raise NoxPexError.together(failures)


def has_key(context: Context) -> bool:
    """Whether the user names a signing key."""
    return context.arguments.key is not None or withheld.value(withheld.KEY) is not None


def signing_key(context: Context) -> SigningKey:
    """Read the signing key that the user names. Raises `NoxPexError` `signing`."""
    value = str(context.arguments.key) if context.arguments.key is not None else withheld.value(withheld.KEY)
    return keys.signing_key(value or "", withheld.value(withheld.PASSPHRASE), relative_to=context.invoked_from)


def sign(context: Context, targets: Iterable[Target], key: SigningKey) -> None:
    """Sign the statements about each of `targets` with `key`, and show where the signatures are."""
    for target in targets:
        bundle = signing.sign(_directory(target), key)
        context.say(f"attest: {target.name} signed ({_shown(context, bundle)})")


def _directory(target: Target) -> Path:
    return target.file("attestations")


def _state(context: Context, target: Target) -> None:
    """Write the statements about one binary. Raises `NoxPexError` `not-proven`; none is written then."""
    sha256 = _digest(target)
    record = build_record.of_last_build(target, sha256=sha256)
    if not record and target.prebuilt is None:
        problem = f"{target.binary} and its build record are not as the last build in this checkout left them"
        raise NoxPexError("not-proven", problem, "build it with `nox -s pex`")
    own_scies = {} if target.prebuilt is not None else _scies(target, record)
    proven = proof.require(target, sha256=sha256, scies=own_scies)
    predicates: dict[Kind, Mapping[str, Any]] = {
        "smoke": test_result.predicate(proven.smoke, proven.smoke_circumstances, secrets=context.secrets),
        "verify": verification_summary.predicate(proven.verify, version=record.get("version")),
        "sbom": _bill(context, target, sha256=sha256),
    }
    if record:
        predicates = {"provenance": provenance.predicate(_build(context, target, record)), **predicates}
    else:
        reason = "it is not the last build in this checkout"
        context.say(f"attest: {target.binary.name} has no provenance: {reason}; `nox-pex check` needs --require")
    subjects = [
        Subject(name=target.binary.name, sha256=sha256),
        *(Subject(name=name, sha256=digest) for name, digest in sorted(proven.scies.items())),
    ]
    attestations.write(_directory(target), predicates, subjects)
    written = counted(predicates, "statement")
    context.say(f"attest: {written} about {target.binary.name} ({_shown(context, _directory(target))})")


def _digest(target: Target) -> str:
    """Return the SHA-256 of the binary. Raises `NoxPexError` `not-proven` if it is not a file."""
    binary = target.binary
    if binary.is_dir():
        problem = f"{binary} is a directory, which has no SHA-256 that others could compare"
        raise NoxPexError("not-proven", problem, f"remove {target.key}.layout, so that it is one file")
    sha256 = files.digest(binary)
    if not sha256:
        raise NoxPexError("not-proven", f"{binary} does not exist", "build it with `nox -s pex`")
    return sha256


def _scies(target: Target, record: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each scie in the build record, as it is now, by its file name."""
    recorded = scies.recorded(record, stem=target.stem)
    return {scie.file: files.digest(target.directory / scie.file) for scie in recorded}


def _bill(context: Context, target: Target, *, sha256: str) -> Mapping[str, Any]:
    """Return the bill of materials. Raises `NoxPexError` `not-proven` if it is not what `sbom` would write today."""
    bill = bom_file.read(target.file("cdx.json"), sha256=sha256)
    if not sbom.is_current(context, target):
        problem = f"{target.file('cdx.json')} is not what `sbom` would write today, or a licence in it is not allowed"
        raise NoxPexError("not-proven", problem, "run `nox -s sbom`")
    return bill


def _build(context: Context, target: Target, record: Mapping[str, Any]) -> Build:
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
        raise NoxPexError("not-proven", problem, "run `nox -s attest`, which builds and proves it again")
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


def _sign(context: Context, stated: list[Target]) -> None:
    """Sign the statements about each of `stated`. Raises `NoxPexError` `signing`.

    If `push` comes later, it signs them too: it starts processes, and none may be started after the key is read.
    """
    if not has_key(context):
        for target in stated:
            how = "-- --key PATH, or `nox-pex sign` afterwards"
            context.say(f"attest: {target.name} is not signed, because there is no key ({how})")
    elif "push" in context.later:
        context.unsigned.extend(stated)
        for target in stated:
            context.say(f"attest: {target.name} is signed by the session `push` of this run")
    elif stated:
        sign(context, stated, signing_key(context))


def _shown(context: Context, path: Path) -> str:
    return os.path.relpath(path, context.root)
