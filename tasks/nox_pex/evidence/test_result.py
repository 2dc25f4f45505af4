"""The predicate of a smoke test: in-toto "Test result" v0.1. Pure."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from nox_pex.evidence.results import Boot, SmokeResult, State
from nox_pex.pex.circumstances import Circumstances
from nox_pex.settings.parse import binary_key
from nox_pex.system.outside_text import shown
from nox_pex.system.secrets import Secrets

_LARGEST_CONTENT: Final = 64 << 10
"""Bytes of settings that are in the predicate. The digest of more settings is in it, but not their text."""


def predicate(
    result: SmokeResult, circumstances: Circumstances, *, secrets: Secrets, table: str = ".smoke"
) -> dict[str, Any]:
    """Return the predicate for the smoke test `result`, obtained under `circumstances`.

    `table` follows the name of the binary's table in the name of the settings.

    `result` is PASSED, or WARNED if a condition was skipped, or FAILED. The settings are in it, unless one of `secrets`
    is in them; their digest always is.
    """
    tests = _unique([test for boot in result.conditions for test in _tests(boot)])
    failed = [name for name, state in tests if state == "failed"]
    if result.failure is not None and not failed:
        failed = [f"smoke/{shown(result.failure.code)}"]  # `before`, `after`, the budget
    skipped = [name for name, state in tests if state == "skipped"]
    passed = result.passed is True and not failed
    return {
        "result": "FAILED" if not passed else "WARNED" if skipped else "PASSED",
        "configuration": [_configuration(result, circumstances, secrets, table)],
        "passedTests": [name for name, state in tests if state == "passed"],
        "warnedTests": skipped,
        "failedTests": failed,
    }


def _tests(boot: Boot) -> Iterator[tuple[str, State]]:
    """Yield the name and the state of the boot under one condition, and of each of its checks."""
    verdicts = [(f"{boot.condition}/{verdict.check}", verdict.passed) for verdict in boot.verdicts]
    # As in the JUnit file: if a check failed, that is the failure, and not the boot.
    of_checks = boot.state == "failed" and not all(passed for _, passed in verdicts)
    yield shown(f"{boot.condition}/boot"), "passed" if of_checks else boot.state
    for name, passed in verdicts:
        yield shown(name), "passed" if passed else "failed"


def _unique(tests: Sequence[tuple[str, State]]) -> list[tuple[str, State]]:
    """Return the tests with a number after each name that an earlier test has too: `cold/GET / (2)`."""
    seen: Counter[str] = Counter()
    taken = {name for name, _ in tests}
    found = []
    for name, state in tests:
        seen[name] += 1
        unique = name
        while seen[name] > 1 and (unique := f"{name} ({seen[name]})") in taken:
            seen[name] += 1
        taken.add(unique)
        found.append((unique, state))
    return found


def _configuration(result: SmokeResult, circumstances: Circumstances, secrets: Secrets, table: str) -> dict[str, Any]:
    """Return the descriptor of the settings. `check --max-age` reads the time of the test in its annotations."""
    overrides = {key: value for key, value in msgspec.to_builtins(result.overrides).items() if value is not None}
    text = circumstances.settings_text
    content = {"content": base64.b64encode(text.encode()).decode()} if _may_be_shown(text, secrets) else {}
    return {
        "name": f"{binary_key(shown(result.name))}{table}",
        "digest": {"sha256": result.settings},
        **content,
        "mediaType": "application/json",
        "annotations": {
            "finishedOn": result.finished,
            "tools": dict(result.tools),
            **({"overrides": overrides} if overrides else {}),
        },
    }


def _may_be_shown(text: str, secrets: Secrets) -> bool:
    """Whether the settings are not too large, and have none of `secrets`."""
    return 0 < len(text) <= _LARGEST_CONTENT and all(secrets.mask(each) == each for each in _strings(json.loads(text)))


def _strings(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
