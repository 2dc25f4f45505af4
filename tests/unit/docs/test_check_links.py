from __future__ import annotations

from pathlib import Path

import pytest

import check_links


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site with two pages and a file."""
    (tmp_path / "first").mkdir()
    (tmp_path / "index.html").write_text("<h1 id='start'>Start</h1>", "utf-8")
    (tmp_path / "first" / "flask.html").write_text("<h1 id='flask'>Flask</h1>", "utf-8")
    (tmp_path / "data.json").write_text("{}", "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "link",
    [
        '<a href="../index.html">x</a>',
        '<a href="../index.html#start">x</a>',
        '<a href="..">x</a>',
        '<a href="#flask">x</a>',
        '<a href="#">x</a>',
        '<a href="../data.json#key">x</a>',
        '<a href="https://elsewhere.example/none.html#none">x</a>',
        '<a href="mailto:someone@example.org">x</a>',
        '<img src="../data.json" alt="">',
    ],
)
def test_a_link_that_leads_somewhere_is_not_reported(site: Path, link: str) -> None:
    (site / "first" / "flask.html").write_text(f"<h1 id='flask'>Flask</h1>{link}", "utf-8")

    assert list(check_links.dead_links(site)) == []


@pytest.mark.parametrize(
    ("link", "reported"),
    [
        ('<a href="index.html">x</a>', "index.html: there is no such file"),
        ('<a href="../index.html#end">x</a>', "../index.html#end: the page has no such anchor"),
        ('<a href="#end">x</a>', "#end: the page has no such anchor"),
        ('<img src="none.svg" alt="">', "none.svg: there is no such file"),
        ('<script src="none.js"></script>', "none.js: there is no such file"),
        ('<link rel="stylesheet" href="none.css">', "none.css: there is no such file"),
    ],
)
def test_a_dead_link_is_reported_with_its_page(site: Path, link: str, reported: str) -> None:
    (site / "first" / "flask.html").write_text(f"<h1 id='flask'>Flask</h1>{link}", "utf-8")

    assert list(check_links.dead_links(site)) == [f"first/flask.html: {reported}"]
