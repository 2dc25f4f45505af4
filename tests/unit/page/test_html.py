from __future__ import annotations

import pytest

from nox_pex.page import html
from nox_pex.page.model import Command


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("smoke passed", "Smoke passed."),
        ("service.pex: it is no ZIP", "service.pex: it is no ZIP."),
        ("run `smoke` again", "Run <code>smoke</code> again."),
        ("one ` is no code", "One ` is no code."),
        ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;."),
        ("and more…", "And more…"),
        ("", ""),
    ],
)
def test_a_note_is_a_sentence(value: str, said: str) -> None:
    assert str(html.note(html.sentence(value))) == f'<p class="note">{said}</p>'


def test_a_command_says_what_it_is_for_and_where_it_runs() -> None:
    found = str(html.command(Command(text="nox -s sbom", where="the directory of the noxfile", purpose="write it")))
    assert "<p>To write it, run this in the directory of the noxfile:</p>" in found
    assert "<p>Run this:</p>" in str(html.command(Command(text="x", where="")))
