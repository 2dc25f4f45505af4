"""The page as HTML: its structure, its policy, its size, and that no text from outside becomes markup."""

from __future__ import annotations

import base64
import hashlib
import re
import types
import typing
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec
import pytest
from msgspec.structs import replace

from nox_pex.contents.model import BinaryContents, Group, PackedFile
from nox_pex.page import render
from nox_pex.page.model import Boot, Check, Distribution, Identity, Index, Page, Proof, Row, Verdict

VOID: Final = {"meta", "br", "hr", "img", "input", "link", "path", "rect", "line", "circle", "polygon", "use"}
HOSTILE: Final = '"><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m\u202e' + "w" * 400


class Document(HTMLParser):
    """A page, parsed: every element with its attributes, and the text. Tags must be balanced."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((f"svg {tag}" if "svg" in self.open else tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text.append(data)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def identity(**values: Any) -> Identity:
    facts = {
        "name": "service",
        "project": "shop",
        "file": "service.pex",
        "sha256": "ab" * 32,
        "size": 63_400_000,
        "is_directory": False,
        "is_scie": False,
        "is_recorded": True,
    }
    return Identity(**{**facts, **values})


def contents(distributions: int, files: int) -> BinaryContents:
    def group(kind: Any, name: str = "") -> Group:
        packed = tuple(
            PackedFile(path=f"{name or kind}/part{number % 40}/module_{number}.py", size=3000, stored=1000)
            for number in range(files)
        )
        return Group(kind=kind, name=name, version="1.0" if name else "", stored=1000 * files, files=packed)

    groups = tuple(group("distribution", f"distribution-{number}") for number in range(distributions))
    return BinaryContents(
        file="service.pex",
        sha256="ab" * 32,
        size=1000 * files * (distributions + 2) + 500,
        layout="zipapp",
        distributions=groups,
        own=group("own"),
        runtime=group("runtime"),
    )


def page_of(distributions: int = 3, files: int = 4, **values: Any) -> Page:
    check = Check(name="GET /", passed=True, expected="status 200", got="200", seconds=0.01, request="GET /")
    facts: dict[str, Any] = {
        "nox_pex": "0.1.0",
        "identity": identity(),
        "verdict": Verdict(outcome="passed", reason="everything passed"),
        "proofs": (Proof(step="smoke", standing="current", outcome="passed", summary="cold passed"),),
        "contents": contents(distributions, files),
        "boots": (Boot(condition="cold", state="passed", ready_after=2.2, check_count=1, checks=(check,)),),
        "distributions": tuple(
            Distribution(name=f"distribution-{number}", version="1.0", is_direct=number == 0, path=("a", "b"))
            for number in range(distributions)
        ),
    }
    return Page(**{**facts, **values})


def test_the_structure_is_that_of_a_document() -> None:
    found = Document(render.page(page_of()))
    names = [tag for tag, _ in found.elements]
    assert (names.count("h1"), names.count("main"), names.count("title")) == (1, 1, 1)
    levels = [int(name[1]) for name in names if re.fullmatch(r"h[1-6]", name)]
    assert all(after <= before + 1 for before, after in zip([1, *levels], levels, strict=False))
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [attributes["aria-labelledby"] for _, attributes in found.elements if "aria-labelledby" in attributes]
    assert {name for each in named for name in (each or "").split()} <= set(ids)
    assert ("html", {"lang": "en"}) in found.elements


def test_the_policy_allows_the_stylesheet_and_nothing_else() -> None:
    text = render.page(page_of())
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    (css,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    assert policy.replace("&#39;", "'").split("; ")[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]
    found = Document(text)
    assert not {"script", "link", "img", "iframe", "object", "form"} & {tag for tag, _ in found.elements}
    assert not [attributes for _, attributes in found.elements if "style" in attributes or "src" in attributes]
    assert "url(" not in css
    assert "@import" not in css


def test_what_a_person_reads_is_there() -> None:
    text = " ".join(Document(render.page(page_of())).text)
    for said in ("service", "Everything passed.", "63.4 MB", "2.20 s", "GET /", "distribution-2"):
        assert said in text


def test_two_hundred_distributions_take_less_than_300_kb_beyond_the_data() -> None:
    model = page_of(distributions=200, files=30)
    data = sum(len(each.name) + len(each.version) for each in model.distributions)
    assert len(render.page(model).encode()) - data < 300_000


def test_sixty_thousand_files_make_no_large_page() -> None:
    assert len(render.page(page_of(distributions=10, files=6000)).encode()) < 400_000


def test_names_of_sixty_thousand_characters_make_no_large_page() -> None:
    name = "\u202e<" * 30_000
    page = page_of(distributions=1)
    assert page.contents is not None
    files = tuple(PackedFile(path=f"{number}{name}", size=10, stored=10) for number in range(20))
    own = Group(kind="own", stored=200, files=files)
    distribution = replace(page.distributions[0], name=name, path=(name, name))
    page = replace(page, distributions=(distribution,) * 20, contents=replace(page.contents, own=own, size=400))
    assert len(render.page(page).encode()) < 2_000_000


def hostile(kind: Any) -> Any:
    """Return a value of the type `kind` in which every text is hostile."""
    origin, arguments = get_origin(kind), get_args(kind)
    value: Any = {str: HOSTILE, bool: False, int: 7, float: 0.5}.get(kind, HOSTILE)
    if origin is Literal:
        value = arguments[0]
    elif origin in (Union, types.UnionType):
        value = hostile(next(each for each in arguments if each is not type(None)))
    elif origin is tuple:
        value = (hostile(arguments[0]),) if arguments[-1] is ... else tuple(map(hostile, arguments))
    elif origin is not None:
        value = {HOSTILE: HOSTILE}
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = typing.get_type_hints(kind)
        value = kind(**{field.name: hostile(hints[field.name]) for field in msgspec.structs.fields(kind)})
    return value


@pytest.mark.parametrize("model", [Page, Index])
def test_no_text_from_outside_becomes_markup(model: Any) -> None:
    value = hostile(model)
    text = render.page(value) if model is Page else render.index(value)
    found = Document(text)
    assert "script" not in {tag for tag, _ in found.elements}
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert sum("alert(1)" in each for each in found.text) > 10 or model is Index


@pytest.mark.parametrize("outcome", ["passed", "failed", "incomplete", "not-run"])
def test_every_outcome_is_said_in_words(outcome: Any) -> None:
    text = " ".join(Document(render.page(page_of(verdict=Verdict(outcome=outcome, reason="because")))).text)
    assert {"passed": "Passed", "failed": "Failed", "incomplete": "Not complete", "not-run": "Not run"}[outcome] in text


def test_a_file_that_cannot_be_read_has_a_page() -> None:
    model = page_of(contents=None, problem="it is no ZIP", distributions=0, boots=())
    model = msgspec.structs.replace(model, distributions=())
    assert "It is no ZIP." in " ".join(Document(render.page(model)).text)


def rows() -> Iterator[Row]:
    yield Row(name="api", project="shop", outcome="passed", reason="all passed", size=12_000_000, href="api.html")
    yield Row(
        name="worker", project="shop", outcome="failed", reason="check-failed: no line", boot=0.5, condition="warm"
    )


def test_an_index_has_a_row_and_a_link_for_each_binary() -> None:
    found = Document(render.index(Index(nox_pex="0.1.0", title="shop", rows=tuple(rows()))))
    assert [attributes["href"] for tag, attributes in found.elements if tag == "a"] == ["#content", "api.html"]
    text = " ".join(found.text)
    assert "1 of 2 failed" in text
    assert "check-failed: no line" in text
