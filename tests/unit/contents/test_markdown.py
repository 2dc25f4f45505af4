from __future__ import annotations

from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from msgspec.structs import replace

from nox_pex.contents.difference import BootChange, Difference, SettingChange
from nox_pex.contents.markdown import LONGEST, code, markdown
from nox_pex.contents.model import BootFacts
from tests.support.small_pex import SmallPex
from tests.unit.contents.conftest import OLD, Differ, wheel_files

HOSTILE = (
    "a|b",
    "a\\|b|c",
    "`tick` ``two``",
    "<script>alert(1)</script>",
    "<!-- -->",
    "</details></code>",
    "line\nbreak\r\n# heading",
    "@octocat and #1 and GH-1",
    "https://evil.example www.evil.example me@evil.example",
    "![image](https://evil.example/x.png)",
    "&lt;b&gt; &#64;octocat",
    " leading and trailing ",
    "\x1b[31mred\u202e",
    "**bold** _em_ ~~gone~~ :smile:",
    "--- | ---",
    "\\",
    "`",
    "   ",
)


class _Outside(HTMLParser):
    """Collects the text outside of `code`, the text of each `code`, and the tags."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0
        self.text: list[str] = []
        self.codes: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "code":
            self.depth += 1
            self.codes.append("")

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "code"

    def handle_data(self, data: str) -> None:
        if self.depth:
            self.codes[-1] += data
        else:
            self.text.append(data)


def rendered(text: str) -> _Outside:
    reader = _Outside()
    reader.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    return reader


def hostile(differ: Differ, name: str) -> Difference:
    """A difference in which every text from outside is `name`."""
    difference = differ()
    boot = BootFacts(condition=name, state="passed", ready_after=1.0, memory=1)
    groups = tuple(
        replace(
            each,
            name=name,
            old_version=name if each.old_version else "",
            new_version=f"{name}2" if each.new_version else "",
            files=tuple(replace(file, path=name) for file in each.files),
        )
        for each in difference.distributions
    )
    side = replace(difference.old, file=name, entry_point=name, constraints=(name,), pex_version=name, python=name)
    assert difference.own is not None
    return replace(
        difference,
        old=side,
        new=replace(
            side, sha256="f" * 64, entry_point=f"x{name}", constraints=(name, name), pex_version=f"{name}x", python=""
        ),
        distributions=groups,
        own=replace(difference.own, files=tuple(replace(file, path=name) for file in difference.own.files)),
        settings=(SettingChange(key=name, old=name, new=None),),
        boots=(BootChange(condition=name, old=boot, new=boot),),
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_every_text_from_outside_stands_in_code(differ: Differ, name: str) -> None:
    clean, dirty = rendered(markdown(hostile(differ, "x"))), rendered(markdown(hostile(differ, name)))

    assert {"details", "table", "sub"} <= clean.tags
    assert dirty.text == clean.text  # nothing of a name is outside of code, and no cell is split
    assert dirty.tags == clean.tags
    assert len(dirty.codes) == len(clean.codes)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("main.py", "`main.py`"),
        ("a|b", "<code>a&#124;b</code>"),
        ("a`b", "<code>a&#96;b</code>"),
        ("a\\|b", "<code>a&#92;&#124;b</code>"),
        ("a\nb", "<code>a&#92;nb</code>"),
        (" a", "<code> a</code>"),
        ("@octocat", "`@octocat`"),
    ],
)
def test_a_name_is_a_code_span_if_a_table_can_hold_it(text: str, shown: str) -> None:
    assert code(text) == shown
    (found,) = rendered(f"|a|\n|-|\n|{shown}|\n").codes
    assert found == text.replace("\n", "\\n")


def test_the_report_has_a_table_and_what_changed(differ: Differ) -> None:
    text = markdown(differ())
    lines = text.splitlines()
    assert lines[0].startswith("### `new.pex`: ")
    assert "| Entry point | `main:main` | `shop.new:main` |  |" in lines
    assert "**Distributions: 1 added, 1 removed, 1 changed**" in lines
    assert any(line.startswith("| changed | `celery` | `5.4.0` → `5.5.0` | ") for line in lines)
    assert "**Own code: 3 files**" in lines
    assert '| `inject_env` | `{}` | `{"MODE": "fast"}` |' in lines
    assert "<details><summary><code>celery</code>: 1 file</summary>" in lines
    assert "| changed | `celery/app.py` | +80 B |" in lines
    assert "| Files | 18 | 18 | 0 |" in lines
    assert lines[-1].endswith("files are compared by the SHA-256 of their contents.</sub>")
    assert text.count("<details>") == text.count("</details>")


def test_the_same_bytes_are_said_to_be_the_same(differ: Differ) -> None:
    assert "Both are the same bytes." in markdown(differ(OLD, OLD))


@pytest.mark.parametrize("limit", [LONGEST, 4_000, 1_200])
def test_a_long_report_is_cut_to_the_limit_and_says_so(differ: Differ, limit: int) -> None:
    wheels = {f"pkg{n}-1-py3-none-any.whl": wheel_files(f"pkg{n}", "1", a=b"x" * n) for n in range(300)}
    sources = {f"module{n}_{'|' * 100}.py": b"x" for n in range(900)}
    text = markdown(differ(OLD, SmallPex(wheels=wheels, sources=sources)), limit=limit)

    assert len(text) <= limit
    assert f"rows are left out, because a comment has at most {limit:,} characters." in text
    assert text.count("<details>") == text.count("</details>")
    assert text.endswith("</sub>\n")


def test_a_name_of_thousands_of_characters_is_cut(differ: Differ) -> None:
    text = markdown(hostile(differ, "@" * 60_000))
    assert len(text) < LONGEST
    assert "left out" not in text
