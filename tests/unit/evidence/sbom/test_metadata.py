from __future__ import annotations

import pytest
import rfc3987_syntax
from cyclonedx.model import XsUri

from nox_pex.evidence.sbom.bill import Licences
from nox_pex.evidence.sbom.metadata import Description, describe, plain

GOOD = """\
Metadata-Version: 2.4
Name: shelf
Version: 1.0
Summary: Shelves
  for wares
Author-email: Jo Doe <jo@example.org>, "Doe, Al" <al@example.org>
Maintainer: The Shelves
Home-page: https://joe:s3cret@shelf.example/
License-Expression: MIT OR Apache-2.0
Classifier: License :: OSI Approved :: MIT License
Classifier: License :: OSI Approved
Classifier: Topic :: Home
Project-URL: Source Code, https://git.example/shelf
Project-URL: Bug Tracker, https://git.example/shelf/issues
Project-URL: Docs, https://docs.example/
Project-URL: Chat room, https://chat.example/ä b
Project-URL: Changelog, file:///home/joe/CHANGES
Project-URL: Homepage, javascript:alert(1)

Author: not a header
"""


def test_what_metadata_says() -> None:
    assert describe(GOOD) == Description(
        summary="Shelves for wares",
        supplier="The Shelves",
        authors=("Jo Doe", "Doe, Al"),
        links=(
            ("website", "https://shelf.example/", ""),
            ("vcs", "https://git.example/shelf", ""),
            ("issue-tracker", "https://git.example/shelf/issues", ""),
            ("documentation", "https://docs.example/", ""),
            ("other", "https://chat.example/%C3%A4%20b", "Chat room"),
        ),
        licences=Licences(expression="MIT OR Apache-2.0", classifiers=("MIT License",)),
    )


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("https://matrix.example/#/#room:example.org", "https://matrix.example/#/%23room:example.org"),
        ("https://h.example/100%", "https://h.example/100%25"),
        ("https://h.example/a%2fb%zz", "https://h.example/a%2fb%25zz"),
        ("https://h.example/[a]|b\\c^`<d>{e}", "https://h.example/%5Ba%5D%7Cb%5Cc%5E%60%3Cd%3E%7Be%7D"),
        ("https://h.example?q=[1]&r=ä#f[2]", "https://h.example?q=%5B1%5D&r=%C3%A4#f%5B2%5D"),
        ("https://h.example:8443/", "https://h.example:8443/"),
        ("https://[::1]/", ""),
        ("https://a b.example/", ""),
        ("https://bücher.example/", ""),
        ("https://h.example:port/", ""),
    ],
)
def test_an_address_becomes_a_uri_that_every_reader_accepts(written: str, address: str) -> None:
    links = describe(f"Name: x\nProject-URL: Chat, {written}\n").links
    assert [each[1] for each in links] == ([address] if address else [])
    for _, found, _ in links:
        assert XsUri(found).uri == found
        assert rfc3987_syntax.is_valid_syntax_iri(found)


@pytest.mark.parametrize(
    ("headers", "supplier"),
    [
        ("Author: UNKNOWN\n", ""),
        ("", ""),
        ("Author: Jo <jo@example.org>\nAuthor-email: jo@example.org\n", "Jo"),
        ("Author-email: jo@example.org\n", "jo@example.org"),
        ("Author: A\nMaintainer-email: B <b@example.org>\n", "B"),
        ("Author: =?utf-8?q?x?=\n", "=?utf-8?q?x?="),
    ],
)
def test_the_supplier_is_the_maintainer_or_else_the_author(headers: str, supplier: str) -> None:
    assert describe(f"Name: x\n{headers}").supplier == supplier


HOSTILE = [
    "",
    "\n\n\n",
    "\0" * 100,
    "no header",
    "Summary: \ud800\udfff\x1b[31m\x07red\u202e\nAuthor: \udc80\n",
    f"Summary: {'x' * (1 << 22)}\nAuthor: late\n",
    f"License: {'long text ' * 1_000_000}\n",
    f"Author: {'y' * 1_000_000}\nProject-URL: Home, https://{'z' * 1_000_000}\n",
    "".join(f"Project-URL: Home {n}, https://h.example/{n}\nClassifier: License :: L{n}\n" for n in range(20_000)),
    "Author-email: " + "<a@b>, " * 20_000 + "\n",
    "Author-email: " + "(" * 20_000 + "\n",
    "Project-URL: Home, https://[::1\nProject-URL: Home, https://h.example:0/\nProject-URL:\nHome-page: https://\n",
]


@pytest.mark.parametrize("metadata", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_metadata_is_bounded_and_plain(metadata: str) -> None:
    found = describe(metadata)
    texts = [found.summary, found.supplier, *found.authors, *(text for link in found.links for text in link)]
    texts += [found.licences.expression, *found.licences.classifiers, *found.licences.text.split("\n")]
    for text in texts:
        assert len(text) <= 2000
        assert text.encode("utf-8").decode() == text
        assert not any(ord(character) < 32 for character in text)
    assert max(len(found.authors), len(found.links), len(found.licences.classifiers)) <= 20


def test_a_licence_of_several_lines_keeps_them() -> None:
    found = describe("License: The MIT License\n        Copyright\n        | more\nName: x\n")
    assert found.licences.text == "The MIT License\nCopyright\nmore"


def test_a_long_text_is_cut() -> None:
    assert plain("a  \n b", 10) == "a b"
    assert plain("abcdef", 4) == "abc…"
    assert plain("\x00\ud800") == ""
