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
    keys,
    proof,
    provenance,
    signing,
    test_result,
    verification_summary,
)
from nox_pex.evidence.attestations import Subject
from nox_pex.evidence.keys import SigningKey
from nox_pex.evidence.kinds import Kind
from nox_pex.pex import scies
from nox_pex.pex.target import Target
from nox_pex.steps import statement_inputs
from nox_pex.steps.context import Context
from nox_pex.steps.each_binary import each_binary
from nox_pex.system import files, locks, os_errors, withheld
from nox_pex.system.wording import counted


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
        sign_or_leave(context, stated)
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
    sha256 = statement_inputs.digest(target)
    record = statement_inputs.record(target, sha256=sha256)
    own_scies = {} if target.prebuilt is not None else _scies(target, record)
    proven = proof.require(target, sha256=sha256, scies=own_scies)
    predicates: dict[Kind, Mapping[str, Any]] = {
        "smoke": test_result.predicate(proven.smoke, proven.smoke_circumstances, secrets=context.secrets),
        "verify": verification_summary.predicate(proven.verify, version=record.get("version")),
        "sbom": statement_inputs.bill(context, target, sha256=sha256),
    }
    if record:
        predicates = {"provenance": provenance.predicate(statement_inputs.build(context, target, record)), **predicates}
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


def _scies(target: Target, record: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each scie in the build record, as it is now, by its file name."""
    recorded = scies.recorded(record, stem=target.stem)
    return {scie.file: files.digest(target.directory / scie.file) for scie in recorded}


def sign_or_leave(context: Context, stated: list[Target]) -> None:
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
