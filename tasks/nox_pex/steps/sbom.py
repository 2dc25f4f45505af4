"""`sbom`: write the bill of materials of each finished binary, and check the licences in it."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nox_pex.distributions import pex_file
from nox_pex.errors import NoxPexError
from nox_pex.pex import build_record, scies
from nox_pex.pex.target import Target
from nox_pex.poetry import origins
from nox_pex.poetry.installed import Installed
from nox_pex.steps import built_file
from nox_pex.steps.context import Context
from nox_pex.steps.each_binary import each_binary
from nox_pex.steps.outcome import Note
from nox_pex.system import files, os_errors, processors, recipe
from nox_pex.system.fingerprint import Inputs, digests
from nox_pex.system.lazy import lazy
from nox_pex.system.messages import unchanged
from nox_pex.system.wording import counted
from nox_pex.tools import pinned

if TYPE_CHECKING:
    from nox_pex.evidence.sbom import compose, licence_check, policy, shipped, timestamp, write
    from nox_pex.evidence.sbom.bill import Bill
    from nox_pex.evidence.sbom.compose import Built
    from nox_pex.evidence.sbom.write import Written
else:
    compose = lazy("nox_pex.evidence.sbom.compose")  # these are not needed if nothing changed
    licence_check = lazy("nox_pex.evidence.sbom.licence_check")
    policy = lazy("nox_pex.evidence.sbom.policy")
    shipped = lazy("nox_pex.evidence.sbom.shipped")
    timestamp = lazy("nox_pex.evidence.sbom.timestamp")
    write = lazy("nox_pex.evidence.sbom.write")


def run(context: Context) -> None:
    """Write `NAME.cdx.json` for each binary, unless its inputs are unchanged, and check the licences.

    Raises `NoxPexError` with the first failure, after all binaries: also `license`.
    """
    context.check_prebuilt()
    at_once = 1 if context.parallel else min(len(context.targets), processors.count())
    each_binary(context, functools.partial(_write, context), at_once=at_once)


def prepare(context: Context) -> None:
    """Install the libraries that write a bill of materials. Raises `NoxPexError`."""
    pinned.provide_cyclonedx(context.provisioner)


def _write(context: Context, target: Target) -> None:
    output, inputs = target.file("cdx.json"), _inputs(context, target)
    shown = os.path.relpath(output, context.root)
    if _is_unchanged(target, inputs) and not context.arguments.force and not _has_secret(context, output):
        context.say(unchanged(f"sbom: {target.name} unchanged ({shown})"))
        context.journal.note(target.stem, Note(result="unchanged"))
        return
    files.require_replaceable(output)
    found = shipped.read(target.binary)
    built = built_file.facts(context, target, found)
    bill = compose.compose(
        target,
        found,
        built=built,
        lock=built_file.lock_of(target),
        file=target.binary.name,
        timestamp=_time(context, target, built),
    )
    written = write.write(bill, context.provisioner)
    with os_errors.writing(str(output), place=output.parent):
        files.write_text(output, written.text)
    context.say(f"sbom: {target.name} has {_summary(bill, written)} ({shown})")
    context.journal.note(target.stem, Note(reason=_summary(bill, written)))
    for line in _doubts(bill):
        context.say(f"sbom: {line}")
    settings = context.settings.sbom
    rules = policy.Policy(allow=settings.allow_licenses, deny=settings.deny_licenses)
    refused = licence_check.refused(bill, written.licences, rules, project=target.project.name)
    if refused:
        raise licence_check.error(refused, rules, place=context.reading.where("tool.nox-pex.sbom"), name=target.name)
    files.write_json(_state_file(target), _state(target, inputs))


def is_current(context: Context, target: Target) -> bool:
    """Whether `NAME.cdx.json` is the one that this step would write today, with licences that are allowed."""
    return _is_unchanged(target, _inputs(context, target))


def _is_unchanged(target: Target, inputs: Inputs) -> bool:
    return target.file("cdx.json").is_file() and files.read_json(_state_file(target)) == _state(target, inputs)


def _state(target: Target, inputs: Inputs) -> dict[str, Any]:
    return {"inputs": digests(inputs), "file": files.digest(target.file("cdx.json"))}


def _state_file(target: Target) -> Path:
    return target.state_file("sbom.json")


def _inputs(context: Context, target: Target) -> Inputs:
    """Everything that decides the bytes of the file, and the verdict on the licences."""
    document = target.project.document
    project = [document.get("project"), document.get("dependency-groups"), document.get("tool", {}).get("poetry")]
    return {
        "binary": {target.binary.name: pex_file.quick_digest(target.binary)},
        "record": {path.name: files.digest(path) for path in (built_file.record_of(target), target.record)},
        "scies": {
            each.file: pex_file.quick_digest(target.directory / each.file)
            for each in scies.recorded(build_record.read(target.record), stem=target.stem)
        },
        "lock": {"poetry.lock": files.digest(target.project.lock)},
        "installed": _installed_inputs(context, target),
        "project": {"pyproject.toml": _digest(project)},
        "settings": {
            "sbom": _digest(msgspec.to_builtins(context.settings.sbom)),
            "exclude": _digest(target.table.exclude),
            "scie": str(target.table.scie),
            "file": str(target.prebuilt is not None),
        },
        "time": {"SOURCE_DATE_EPOCH": context.environ.get("SOURCE_DATE_EPOCH", "")},
        "tools": {"cyclonedx": files.digest(pinned.LOCKED_CYCLONEDX.file)},
        "recipe": {"nox-pex": recipe.digest(), "sbom": recipe.digest_of("evidence", "verify")},
    }


def _installed_inputs(context: Context, target: Target) -> Mapping[str, str]:
    """The distributions and paths that were installed for the binary; empty if nothing is."""
    try:
        contents = context.installed(target)
    except NoxPexError:
        return {}
    known = origins.read(contents.environment) if isinstance(contents, Installed) else {}
    return {
        **{
            f"{each.name} {each.version}": f"{each.record} {origins.of(each, known)}" for each in contents.distributions
        },
        **{f"path {name}": digest for name, digest in contents.path_digests.items()},
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode("utf-8", "replace")).hexdigest()


def _has_secret(context: Context, file: Path) -> bool:
    """Whether the file has a value that is secret now: the variable of a secret may be new."""
    try:
        text = files.read_text(file)
    except (OSError, ValueError):
        return True
    return context.secrets.mask_json(text) != text


def _time(context: Context, target: Target, built: Built | None) -> str:
    commit = build_record.commit(built.record) if built is not None else None
    root = target.project.root
    return timestamp.of(context.environ, root=root, commit=commit.commit if commit is not None else None)


def _summary(bill: Bill, written: Written) -> str:
    libraries = [each for each in bill.components if licence_check.is_distribution(each)]
    named = sum(bool(written.licences[each.ref].expressions) for each in libraries)
    return f"{counted(libraries, 'distribution')}, {named} with an SPDX licence"


def _doubts(bill: Bill) -> Iterator[str]:
    """Yield lines about what the bill could not say."""
    yield from (value for name, value in bill.properties if name == "nox-pex:hashes")
    uncertain = [
        each.name for each in bill.components if any(name == "nox-pex:candidate" for name, _ in each.properties)
    ]
    if uncertain:
        reason = "it is not known which locked file was installed"
        yield f"no hash of {', '.join(uncertain)}, because {reason}; run `nox -s clean`, then this again"
