"""Bundles of attackers. Each gives one verdict, and none of them proves what the good bundle proves."""

from __future__ import annotations

import copy
import datetime as dt
import json
import random
import subprocess
import sys
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from nox_pex.evidence import dsse
from nox_pex.evidence.check import report, verdict
from nox_pex.evidence.check.policy import Policy
from nox_pex.evidence.check.report import Checked
from nox_pex.evidence.check.verdict import Verdict
from nox_pex.evidence.kinds import KINDS, PAYLOAD_TYPE, STATEMENT_TYPE
from tests.support.bundles import GOOD, bundle, envelope, line, payload, signed
from tests.support.signing_keys import ED25519, OTHER, P256, loaded
from tests.support.statements import SHA256, statement, text

NOW: Final = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)
POLICY: Final = Policy(keys=(loaded(ED25519).public,))
SMOKE: Final = GOOD["smoke"]
EVIL: Final = text(statement("smoke"))


def check(data: bytes) -> Verdict:
    return verdict.check(data, sha256=SHA256, policy=POLICY, now=NOW)


def edited(**fields: Any) -> bytes:
    """The good line of the smoke test with other fields of its envelope."""
    return line({**json.loads(SMOKE), **fields})


def signature(**fields: Any) -> bytes:
    """The good line of the smoke test with another signature."""
    return edited(signatures=[{**json.loads(SMOKE)["signatures"][0], **fields}])


def signed_text(content: bytes) -> bytes:
    return line(envelope(content))


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def twice(key: str, first: object) -> bytes:
    """A signed smoke test with a key twice; the last value is the good one."""
    again = f'"{key}": {json.dumps(first)}, "{key}":'
    return signed_text(EVIL.replace(f'"{key}":'.encode(), again.encode()))


SIG: Final = json.loads(SMOKE)["signatures"][0]["sig"]
OTHER_SIG: Final = json.loads(GOOD["verify"])["signatures"][0]["sig"]

INSTEAD: Final[dict[str, bytes]] = {
    "an empty line": b"",
    "a cut line": SMOKE[:-20],
    "a line with something after it": SMOKE + b"x",
    "two envelopes on a line": SMOKE + SMOKE,
    "an envelope in an array": b"[" + SMOKE + b"]",
    "an envelope as text": line(SMOKE.decode()),
    "a null": b"null",
    "NaN": b"NaN",
    "a huge number": b"9" * 100_000,
    "no payload": line({k: v for k, v in json.loads(SMOKE).items() if k != "payload"}),
    "a payload that is a number": edited(payload=1),
    "a payload that is not encoded": edited(payload=EVIL.decode()),
    "a payload with a line break": edited(payload="\n" + json.loads(SMOKE)["payload"]),
    "a payload without its last byte": edited(payload=b64encode(payload(SMOKE)[:-1]).decode()),
    "an empty payload": edited(payload=""),
    "the payload of another statement": edited(payload=json.loads(GOOD["verify"])["payload"]),
    "another payload type": edited(payloadType="application/json"),
    "the payload type in upper case": edited(payloadType=PAYLOAD_TYPE.upper()),
    "another payload type that is signed": line(envelope(payload(SMOKE), payload_type="text/plain")),
    "a signature of the payload without its type": signature(
        sig=b64encode(loaded(ED25519).sign(payload(SMOKE))).decode()
    ),
    "a signature of the base64 text": signature(
        sig=b64encode(loaded(ED25519).sign(dsse.pae(PAYLOAD_TYPE, json.loads(SMOKE)["payload"].encode()))).decode()
    ),
    "a signature of a lower length": signature(
        sig=b64encode(loaded(ED25519).sign(b"DSSEv1 28 " + PAYLOAD_TYPE.encode() + b" 1 " + payload(SMOKE))).decode()
    ),
    "the signature of another statement": signature(sig=OTHER_SIG),
    "a signature of zeros": signature(sig=b64encode(bytes(64)).decode()),
    "a signature of another key with the keyid of ours": signature(
        sig=json.loads(signed("smoke", OTHER))["signatures"][0]["sig"]
    ),
    "another key": signed("smoke", OTHER),
    "another type of key": signed("smoke", P256),
    "no signature": edited(signatures=[]),
    "signatures that are an object": edited(signatures={"sig": SIG}),
    "signatures that are text": edited(signatures=SIG),
    "a signature that is null": edited(signatures=[None]),
    "a signature without its bytes": edited(signatures=[{"keyid": "x"}]),
    "a signature that is a number": edited(signatures=[{"sig": 1}]),
    "a signature with a byte more": signature(sig=b64encode(b64decode(SIG) + b"\0").decode()),
    "more signatures than are read": edited(signatures=[{"sig": "AAAA"}] * 100 + [{"sig": SIG}]),
    "a large field around the payload": edited(more="x" * (2 << 20)),
    "a deep field around the payload": SMOKE[:-1] + b', "more": ' + nested(100_000) + b"}",
    "a Sigstore bundle of a message": line({"messageSignature": {"signature": SIG}}),
    "a Sigstore bundle of null": line({"dsseEnvelope": None, **json.loads(SMOKE)}),
    "a Sigstore bundle in a Sigstore bundle": line({"dsseEnvelope": {"dsseEnvelope": json.loads(SMOKE)}}),
    "a Sigstore bundle around another envelope": line({**json.loads(SMOKE), "dsseEnvelope": envelope(EVIL, OTHER)}),
    "a lone surrogate": SMOKE[:-1] + b', "payloadType": "\\ud800"}',
    "a payload that is no JSON": signed_text(b"nonsense"),
    "a payload that is not UTF-8": signed_text(EVIL.replace(b"service.pex", b"service\xff")),
    "a payload in UTF-16": signed_text(EVIL.decode().encode("utf-16")),
    "a payload with a byte order mark": signed_text(b"\xef\xbb\xbf" + EVIL),
    "a payload with NaN": signed_text(EVIL.replace(b'"PASSED"', b"NaN")),
    "a payload with something after it": signed_text(EVIL + b"{}"),
    "a deep payload": signed_text(EVIL[:-1] + b', "more": ' + nested(100_000) + b"}"),
    "two statements in an array": signed_text(b"[" + EVIL + b"," + EVIL + b"]"),
    "a statement of version 0.1": signed_text(
        EVIL.replace(STATEMENT_TYPE.encode(), STATEMENT_TYPE[:-1].encode() + b"0.1")
    ),
    "a statement without a type": signed_text(EVIL.replace(b'"_type"', b'"type"')),
    "no subjects": signed_text(text({**statement("smoke"), "subject": []})),
    "subjects that are an object": signed_text(
        text({**statement("smoke"), "subject": statement("smoke")["subject"][0]})
    ),
    "a subject of another file": signed("smoke", sha256="4b" * 32),
    "a subject with the name of the file": signed_text(
        text({**statement("smoke"), "subject": [{"name": SHA256, "digest": {"sha512": SHA256}}]})
    ),
    "a subject with a part of the digest": signed("smoke", sha256=SHA256[:32]),
    "a subject with a digest with white space": signed("smoke", sha256=f"{SHA256} "),
    "a subject with an empty digest": signed("smoke", sha256=""),
    "a subject whose digest is a list": signed_text(EVIL.replace(f'"{SHA256}"'.encode(), f'["{SHA256}"]'.encode())),
    "a predicate type of another version": signed_text(EVIL.replace(b"/test-result/v0.1", b"/test-result/v0.2")),
    "a predicate type with a slash more": signed_text(EVIL.replace(b"/test-result/v0.1", b"/test-result/v0.1/")),
    "a result that is an array": signed("smoke", result=["PASSED"]),
    "a result with a NUL": signed("smoke", result="PASSED\0"),
    "a failed smoke test": signed("smoke", result="FAILED"),
    "a failed smoke test before a passed one": signed("smoke", result="FAILED") + b"\n" + SMOKE,
    "a passed smoke test before a failed one": SMOKE + b"\n" + signed("smoke", result="FAILED"),
    "a result twice": twice("result", "FAILED"),
    "a predicate twice": twice("predicate", {"result": "FAILED"}),
    "a subject twice": twice("subject", []),
    "a type twice": twice("_type", "x"),
    "a key twice that nobody reads": signed_text(EVIL[:-1] + b', "more": [{"x": 1, "x": 1}]}'),
    "an escaped key twice": signed_text(EVIL.replace(b'"result"', b'"r\\u0065sult": "FAILED", "result"')),
    "a key twice in the envelope": SMOKE[:-1]
    + b', "payload": '
    + json.dumps(json.loads(SMOKE)["payload"]).encode()
    + b"}",
    "a first subject that is this file": signed_text(
        EVIL[:-1] + b', "subject": [{"digest": {"sha256": "' + b"4b" * 32 + b'"}}]}'
    ),
    "bytes that are not UTF-8 at the end": SMOKE + b"\n\xff",
    "bytes that are not UTF-8 in a skipped field": SMOKE[:-1] + b', "more": "\xff"}',
    "a cut character at the end": SMOKE + b"\n\xe2\x82",
    "a surrogate in UTF-8": SMOKE + b"\n\xed\xa0\x80",
    "too many lines": SMOKE + b"\n{}" * 1000,
    "too many blank lines": SMOKE + b"\n" * 1001,
}
"""Lines instead of that of the smoke test."""


@pytest.mark.parametrize("name", INSTEAD)
def test_each_hostile_bundle_gives_one_verdict(name: str) -> None:
    found = check(bundle(smoke=INSTEAD[name]))

    assert not found.passed
    assert found.problems
    shown = "\n".join(report.lines(Checked(file="f", sha256=SHA256, bundle="b", verdict=found)))
    assert len(shown) < 400 * (len(found.statements) + len(found.ignored) + len(found.problems) + 3)
    assert all(character == "\n" or character.isprintable() for character in shown)


def test_there_are_more_than_forty_of_them() -> None:
    assert len(INSTEAD) > 40


def forms(of_line: bytes) -> list[bytes]:
    """The same envelope in other forms, with the same meaning."""
    good = json.loads(of_line)
    url = {
        **good,
        "payload": urlsafe_b64encode(b64decode(good["payload"])).decode(),
        "signatures": [{"sig": urlsafe_b64encode(b64decode(good["signatures"][0]["sig"])).decode().rstrip("=")}],
    }
    return [
        line(url),
        of_line.replace(b"/", b"\\/"),
        of_line.replace(b'"payload"', b'"p\\u0061yload"'),
        b" \t" + of_line + b"\r",
        line({"dsseEnvelope": good}),
        line(dict(reversed(good.items()))),
    ]


@pytest.mark.parametrize("form", forms(SMOKE))
def test_another_form_with_the_same_meaning_passes(form: bytes) -> None:
    assert check(bundle(smoke=form)).passed


def mutated(data: bytes, chance: random.Random) -> bytes:
    """`data` with a few random changes of bytes, of slices and of lines."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(changed))
        length = chance.choice((1, 1, 3, 40, 400))
        piece = bytes(changed[at : at + length])
        other = chance.randrange(len(changed))
        match chance.randrange(6):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                changed[at] ^= 1 << chance.randrange(8)
            case 2:
                del changed[at : at + length]
            case 3:
                changed[other:other] = piece
            case 4:
                changed[at : at + length] = bytes(changed[other : other + length])
            case _:
                changed[at:at] = chance.choice(
                    (b"{", b"}", b'"', b"\n", b"\\", b",", b"\0", b"null", b"[", b"=", b"\xff")
                )
    return bytes(changed)


def meaning(data: bytes) -> set[bytes]:
    """The signed statements that an honest reader finds in a bundle."""
    found = set()
    for each in data.split(b"\n"):
        try:
            read = json.loads(each)
            found.add(b64decode(read["payload"], validate=True))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return found


def test_no_random_change_proves_another_statement() -> None:
    """A change that passes has left all signed statements as they are: it is in a `keyid`, or white space."""
    chance = random.Random(17)  # noqa: S311  # the same changes in each run
    good = bundle()
    passed = 0

    for _ in range(1500):
        data = mutated(good, chance)
        found = check(data)
        assert found.passed is (not found.problems)
        if found.passed:
            passed += 1
            assert meaning(good) <= meaning(data) or b"\\" in data
    assert passed < 500


def values(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value: its container and its key."""
    inner = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [place for key, each in inner for place in [(value, key), *values(each)]]


def test_no_random_statement_that_is_signed_raises_an_exception() -> None:
    """Everything in a signed statement may have another type, and be missing."""
    chance = random.Random(18)  # noqa: S311  # the same changes in each run
    odd: tuple[Any, ...] = (
        None,
        True,
        0,
        -1,
        1e300,
        10**400,
        "",
        "PASSED",
        "\ud800",
        "\x1b[2J",
        [],
        {},
        [[]],
        [None],
        {"": {}},
        "x" * 10_000,
    )

    for _ in range(1500):
        kind = chance.choice(KINDS)
        document = json.loads(payload(GOOD[kind]))
        for _ in range(chance.choice((1, 1, 2, 4))):
            container, key = chance.choice(values(document))
            if chance.random() < 0.2 and isinstance(container, dict):
                container.pop(key, None)
            elif isinstance(container, dict) or key < len(container):
                container[key] = copy.deepcopy(chance.choice(odd))
        data = bundle(**{kind: line(envelope(text(document)))})
        policy = Policy(
            keys=POLICY.keys, commit="0" * 40 if chance.random() < 0.5 else None, max_age=dt.timedelta(days=1)
        )
        found = verdict.check(data, sha256=SHA256, policy=policy, now=NOW)
        shown = "\n".join(report.lines(Checked(file="f", sha256=SHA256, bundle="b", verdict=found)))
        assert all(character == "\n" or character.isprintable() for character in shown)
        json.dumps(report.json_value(Checked(file="f", sha256=SHA256, bundle="b", verdict=found)))


MIB: Final = 1 << 20
ROOM: Final = 62 * MIB
SIGNED: Final = 16 * MIB
"""Only who has the key can let a check parse a payload."""

LARGE: Final[dict[str, Callable[[], bytes]]] = {
    "a line of zeros": lambda: bytes(ROOM),
    "a line of letters": lambda: b"x" * ROOM,
    "a long text": lambda: b'"' + b"x" * ROOM + b'"',
    "empty objects": lambda: b"[" + b"{}," * (ROOM // 3) + b"{}]",
    "open brackets": lambda: b"[" * ROOM,
    "open braces": lambda: b'{"a":' * (ROOM // 5),
    "empty signatures": lambda: edited(signatures="@").replace(b'"@"', b"[" + b"{}," * (ROOM // 3) + b"{}]"),
    "signatures": lambda: edited(signatures="@").replace(b'"@"', b"[" + b'{"sig":""},' * (ROOM // 11) + b'{"sig":""}]'),
    "unknown fields": lambda: SMOKE[:-1] + b"".join(b',"%d":0' % at for at in range(ROOM // 12)) + b"}",
    "a field with objects": lambda: SMOKE[:-1] + b',"x":[' + b"{}," * (ROOM // 3) + b"{}]}",
    "a payload": lambda: edited(payload="A" * ROOM),
    "a payload with many signatures": lambda: edited(
        payload="A" * ROOM, signatures=[{"sig": b64encode(bytes([at]) * 64).decode()} for at in range(32)]
    ),
    "a number": lambda: b"1" * ROOM,
    "blanks": lambda: b" " * ROOM,
    "line breaks": lambda: b"\n" * ROOM,
    "wide characters": lambda: b'"' + "\U0001f600".encode() * (ROOM // 4) + b'"',
    "a thousand lines": lambda: b"\n".join([SMOKE[:-1] + b',"x":"' + b"x" * 60_000 + b'"}'] * 990),
    "a signed statement with objects": lambda: signed_text(EVIL[:-1] + b',"x":[' + b"{}," * (SIGNED // 5) + b"{}]}"),
    "a signed statement with texts": lambda: signed_text(EVIL[:-1] + b',"x":[' + b'"ab",' * (SIGNED // 8) + b'"ab"]}'),
    "a signed statement with subjects": lambda: signed_text(
        text({**statement("smoke"), "subject": []}).replace(
            b"[]", b"[" + b'{"digest":{}},' * (SIGNED // 20) + b'{"digest":{}}]'
        )
    ),
}
"""Bundles of nearly 64 MiB."""

CHILD: Final = """
import resource, time
from tests.unit.evidence.check.test_hostile_bundles import LARGE, check
resource.setrlimit(resource.RLIMIT_AS, (1_000_000_000,) * 2)
for name, make in LARGE.items():
    data, began = make(), time.process_time()
    found = check(data)
    print(found.passed, time.process_time() - began, name)
    del data, found
"""


def test_large_bundles_need_little_time_and_memory() -> None:
    """Less than a GB, with that of Python and of the bundle itself."""
    root = Path(__file__).parents[4]
    environ = {"PYTHONPATH": f"{root}:{root / 'tasks'}"}

    result = subprocess.run(
        [sys.executable, "-c", CHILD], cwd=root, env=environ, capture_output=True, text=True, check=True
    )

    measured = [each.split(maxsplit=2) for each in result.stdout.splitlines()]
    assert [name for _, _, name in measured] == list(LARGE)
    assert {passed for passed, _, _ in measured} == {"False"}
    assert [(name, seconds) for _, seconds, name in measured if float(seconds) > 20] == []
