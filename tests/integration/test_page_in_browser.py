"""The page and the index in Chromium, by what a person sees and can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from nox_pex.page import render
from tests.support import pages
from tests.support.browser import Scheme, chromium, shown

PAGES: Final[dict[str, Callable[[], str]]] = {
    "hello": lambda: render.page(pages.hello()),
    "broken": lambda: render.page(pages.broken()),
    "many": lambda: render.page(pages.many()),
    "index": lambda: render.index(pages.twelve()),
}

WIDTHS: Final = (360, 800, 1400)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "page.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "widths"), [("broken", WIDTHS), ("index", WIDTHS), ("many", (1400,))])
def test_axe_finds_nothing_to_complain_of(
    browser: Browser, file: Path, name: str, widths: tuple[int, ...], scheme: Scheme
) -> None:
    with shown(browser, file, PAGES[name](), color_scheme=scheme) as page:
        found = {}
        for width in widths:
            page.width(width)
            found[width] = page.violations()

    assert not any(found.values()), found


@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_nothing_but_itself_and_breaks_no_policy(browser: Browser, file: Path, name: str) -> None:
    with shown(browser, file, PAGES[name]()) as page:
        expect(page.page.get_by_role("heading", level=1)).to_be_visible()
        policy = page.page.locator("meta[http-equiv='Content-Security-Policy']").get_attribute("content")
        styled = page.page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth")

        assert page.requests == [page.address]
        assert page.messages == []
        assert "default-src 'none'" in str(policy)
        assert styled != "none"


def test_the_policy_stops_a_script_and_a_picture_in_a_page(browser: Browser, file: Path) -> None:
    text = PAGES["hello"]().replace(
        "</main>", "<script>document.title = 'ran'</script><img alt='x' src='https://example.invalid/x.png'></main>"
    )

    with shown(browser, file, text) as page:
        assert page.page.title() != "ran"
        assert page.let_through == [page.address]
        assert len(page.messages) == 2  # the script and the picture


@pytest.mark.parametrize("name", PAGES)
def test_a_page_does_not_scroll_sideways_on_a_telephone(browser: Browser, file: Path, name: str) -> None:
    with shown(browser, file, PAGES[name]()) as page:
        page.width(360)
        closed = page.scrolls_sideways()
        page.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")

        assert (closed, page.scrolls_sideways()) == (False, False)


@pytest.mark.parametrize("width", [360, 1400])
def test_one_form_of_each_picture_is_seen_and_has_a_name(browser: Browser, file: Path, width: int) -> None:
    with shown(browser, file, PAGES["many"](), java_script_enabled=False) as page:
        page.width(width)
        names = ("Size of each part of the file", "Boots: the time that each phase took")
        for name in names:
            expect(page.page.get_by_role("img", name=name, exact=True)).to_have_count(1)
            expect(page.page.get_by_role("img", name=name, exact=True)).to_be_visible()


def test_the_pictures_stay_within_their_frames(browser: Browser, file: Path) -> None:
    with shown(browser, file, PAGES["many"]()) as page:
        for width in WIDTHS:
            page.width(width)
            outside = page.page.evaluate(
                """() => [...document.querySelectorAll("figure svg:not(.swatch)")].flatMap(svg => {
                    const frame = svg.getBoundingClientRect();
                    return [...svg.querySelectorAll("text")].filter(text => {
                        const box = text.getBoundingClientRect();
                        return box.width > 0 && (box.left < frame.left - 2 || box.right > frame.right + 2
                            || box.top < frame.top - 2 || box.bottom > frame.bottom + 2);
                    }).map(text => text.textContent);
                })"""
            )
            assert outside == [], width


def test_a_label_in_the_treemap_stays_in_its_rectangle(browser: Browser, file: Path) -> None:
    with shown(browser, file, PAGES["many"]()) as page:
        for width in WIDTHS:
            page.width(width)
            outside = page.page.evaluate(
                """() => [...document.querySelectorAll("svg.map .part")].flatMap(part => {
                    const frame = part.querySelector(".frame").getBoundingClientRect();
                    return [...part.querySelectorAll("text")].filter(text => {
                        const box = text.getBoundingClientRect();
                        return box.right > frame.right + 1 || box.bottom > frame.bottom + 2;
                    }).map(text => text.textContent);
                })"""
            )
            assert outside == [], width


def test_the_cause_of_a_failure_is_seen_without_scrolling(browser: Browser, file: Path) -> None:
    with shown(browser, file, PAGES["broken"](), java_script_enabled=False) as page:
        page.width(1400)
        seen = page.page
        expect(seen.get_by_role("heading", name="Why it failed")).to_be_in_viewport()
        expect(seen.get_by_text("$.items[0].id = 7").first).to_be_in_viewport()
        expect(seen.get_by_text('$.items[0].id = 8: {"items": [{"id": 8}]}')).to_be_visible()
        expect(seen.get_by_text('INFO: "GET /items HTTP/1.1" 200 OK')).to_be_visible()
        expect(seen.get_by_text("dist/service.pex main:app --port 8000")).to_be_visible()
        expect(seen.get_by_role("row", name="verify")).to_contain_text("not run")


def test_without_javascript_everything_can_be_read(browser: Browser, file: Path) -> None:
    with shown(browser, file, PAGES["many"](), java_script_enabled=False) as page:
        seen = page.page
        expect(seen.get_by_role("heading", level=1)).to_have_text("service 1.4.0")
        seen.get_by_text("The sizes as a table").click()
        row = seen.get_by_role("table", name="Size of each part").get_by_role("row", name="botocore")
        expect(row).to_contain_text("16.2 MB")
        reason = seen.get_by_role("table", name="Distributions in the file").get_by_role("row", name="botocore")
        expect(reason).to_contain_text("botocore")
        expect(seen.get_by_role("table", name="Boots under each condition")).to_contain_text("EPERM")
        gates = seen.get_by_role("table", name="Each gate checks one thing in the finished file")
        expect(gates).to_contain_text("Built again: the same bytes")


@pytest.mark.parametrize("name", PAGES)
def test_the_keyboard_reaches_everything_and_the_focus_is_seen(browser: Browser, file: Path, name: str) -> None:
    with shown(browser, file, PAGES[name]()) as page:
        reached = {}
        for _ in range(3 * page.focusable()):
            page.page.keyboard.press("Tab")
            focus = page.focus()
            if focus["tag"] == "BODY":
                break
            if focus["tag"] == "SUMMARY" and focus["closed"]:
                page.page.keyboard.press("Enter")
            if focus["at"] >= 0:
                reached[focus["at"]] = focus["outline"]

        assert sorted(reached) == list(range(page.focusable()))
        assert min(reached.values()) >= 1


def test_the_first_key_offers_to_skip_to_the_content(browser: Browser, file: Path) -> None:
    with shown(browser, file, PAGES["hello"]()) as page:
        page.page.keyboard.press("Tab")
        expect(page.page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
        page.page.keyboard.press("Enter")
        expect(page.page.get_by_role("main")).to_be_focused()


def test_an_index_leads_to_the_page_of_each_binary(browser: Browser, file: Path) -> None:
    with shown(browser, file, PAGES["index"](), java_script_enabled=False) as page:
        rows = page.page.get_by_role("table").get_by_role("row")
        expect(rows).to_have_count(13)
        expect(page.page.get_by_role("link", name="worker")).to_have_attribute(
            "href", "services/worker/dist/worker.html"
        )
        expect(page.page.get_by_role("row", name="worker")).to_contain_text("failed")
        expect(page.page.get_by_role("row", name="export").get_by_role("link")).to_have_count(0)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_printed_light_and_within_the_paper(browser: Browser, file: Path, name: str) -> None:
    with shown(browser, file, PAGES[name](), color_scheme="dark") as page:
        page.page.emulate_media(media="print")
        page.width(718)  # A4 with Chromium's margins
        background = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
        sideways = page.scrolls_sideways()

        assert (background, sideways) == ("rgb(255, 255, 255)", False)
        assert page.page.pdf(format="A4").startswith(b"%PDF-")
