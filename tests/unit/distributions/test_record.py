from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from nox_pex.distributions.record import (
    body_digest,
    encode_digest,
    record_digest,
    record_rows,
    record_text,
    record_with,
)


def test_a_row_may_be_quoted_or_short() -> None:
    text = 'a.py,sha256=x,1\n"with, comma.py",,\n\nshort\n'
    assert list(record_rows(text)) == [("a.py", "sha256=x", "1"), ("with, comma.py", "", ""), ("short", "", "")]


def test_the_text_of_rows_reads_as_the_rows() -> None:
    rows = [("a.py", "sha256=x", "1"), ("with, comma.py", "", ""), ('with "quotes".py', "", "2")]
    assert list(record_rows(record_text(rows))) == rows
    assert record_text(rows[:1]) == "a.py,sha256=x,1\n"


def test_the_row_of_a_changed_file_has_its_new_digest_and_size() -> None:
    record = 'x-1.dist-info/METADATA,sha256=old,3\n"a, b.py",sha256=abc,1\nx-1.dist-info/RECORD,,\n'
    assert record_with(record, path="x-1.dist-info/METADATA", content=b"") == (
        "x-1.dist-info/METADATA,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"
        '"a, b.py",sha256=abc,1\nx-1.dist-info/RECORD,,\n'
    )


def test_a_digest_is_urlsafe_base64_without_padding(tmp_path: Path) -> None:
    assert encode_digest(b"\xfb\xff\xfe\x00") == "-__-AA"
    content = b"0123456789abcdef" * 100_000
    (tmp_path / "a").write_bytes(content)
    for algorithm in ("sha256", "sha512"):
        assert record_digest(algorithm, tmp_path / "a") == encode_digest(hashlib.new(algorithm, content).digest())


BODY = b"import sys\nsys.exit(0)\n"


@pytest.mark.parametrize(
    "beginning",
    [
        b"#!/usr/bin/python3\n",
        b"#!/venv/bin/python -I\n",
        b"#!/bin/sh\n'''exec' \"/a b/python\" \"$0\" \"$@\"\n' '''\n",
    ],
)
def test_a_script_is_the_same_whatever_interpreter_it_names(beginning: bytes) -> None:
    assert body_digest(beginning + BODY) == body_digest(b"#!/other/python\n" + BODY)
    assert body_digest(beginning + BODY) != body_digest(beginning + BODY + b"\n")


def test_a_file_without_a_shebang_counts_as_a_whole() -> None:
    for content in (BODY, b"x", b""):
        assert body_digest(content) == hashlib.sha256(content).digest()
