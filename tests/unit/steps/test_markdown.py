from __future__ import annotations

import html
import random
import re
import string

import pytest
from markdown_it import MarkdownIt

from nox_pex.steps import markdown

RENDER = MarkdownIt("gfm-like", {"html": True, "linkify": False}).enable("table")

NASTY = (
    *("a|b", r"a\|b", "a\\", "`x`", "``", "**bold**", "_x_ __y__", "<script>alert(1)</script>", "<!-- x", "-->"),
    *("[a](http://b)", "![a](b)", "&amp;", "&#64;", "$x^2$", "~~a~~", "- item", "1. item", "===", "+ x", "# head"),
    *("> quote", "<b>", "a<br>b", "]]>", "http://a.example", "@octocat", "#12", "GH-12", "www.a.example", ":smile:"),
)


def plain(rendered: str) -> str:
    """The text that a person sees."""
    return html.unescape(re.sub(r"<!-- -->|</?(?:code|p|td|pre|table|thead|tbody|tr|th)[^>]*>", "", rendered))


@pytest.mark.parametrize("text", NASTY)
def test_a_person_sees_exactly_the_text(text: str) -> None:
    cell = RENDER.render(markdown.table(["h"], [[markdown.text(text)]]))
    assert re.findall(r"<td>(.*?)</td>", cell, re.DOTALL).__len__() == 1
    assert plain(re.findall(r"<td>(.*?)</td>", cell, re.DOTALL)[0]) == text
    assert plain(RENDER.render(markdown.text(text))).rstrip("\n") == text
    assert plain(RENDER.render(markdown.code(text))).rstrip("\n") == text


def test_no_text_becomes_markup() -> None:
    """With any mix of the characters that mean something."""
    choice = random.Random(1)  # noqa: S311  # the same texts in each run
    for _ in range(500):
        text = "x" + "".join(choice.choices(string.punctuation + "ab1 ", k=12)) + "x"
        rendered = RENDER.render(markdown.table(["h", "i"], [[markdown.text(text), markdown.code(text)]]))
        first, second = re.findall(r"<td>(.*?)</td>", rendered, re.DOTALL)
        assert (plain(first), plain(second)) == (text, text)
        assert not re.search(r"<(?!!-- -->|/?code>)", first + second)


@pytest.mark.parametrize("text", ["@octocat", "#12", "GH-12", "https://a.example", "www.a.example", ":smile:"])
def test_nothing_becomes_a_mention_a_reference_a_link_or_an_emoji(text: str) -> None:
    """GitHub looks for them in the text nodes, which a comment divides."""
    nodes = html.unescape(markdown.text(text)).split("<!-- -->")
    assert len(nodes) > 1
    assert "".join(nodes) == text
    assert not any(re.search(r"@\w|#\d|GH-\d|://|www\.|:\w+:", node) for node in nodes)


def test_no_line_ends_a_block_of_code() -> None:
    lines = ["```", "````text", "</code></pre><b>", "@octocat"]
    rendered = RENDER.render(markdown.block(lines))
    assert plain(rendered).rstrip("\n").split("\n") == lines
    assert rendered.count("<pre>") == 1
