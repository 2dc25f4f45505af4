"""The site that is made from `docs/`: complete, without dead links, found by its search, and good for everybody."""

from __future__ import annotations

import base64
import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from ruamel.yaml import YAML

import check_links
from nox_pex import site
from nox_pex.errors import CODES, docs_page
from tests.support.browser import Scheme, Shown, chromium
from tests.support.nox_project import CHECKOUT

DOCS: Final = CHECKOUT / "docs"

pytestmark = pytest.mark.integration

SHOWN: Final = ("index", "settings", "how-it-works", "api", "ci/README", "search")
"""Pages with everything that others have: code, wide tables, a picture, signatures, results of a search."""

ADDRESS: Final = re.compile(rf"{re.escape(site.DOCS)}([\w/.-]*?)(?:#([\w-]+))?(?=[)\s\"'`>,…{{]|\.(?:\s|$))")
"""An address of a page of the site, with its anchor."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `nox -s docs` builds it: a warning is an error."""
    target = tmp_path_factory.mktemp("site") / "html"
    options = ["--fail-on-warning", "--nitpicky", "--keep-going", "--quiet", "--builder", "html"]
    argv = [sys.executable, "-m", "sphinx", *options, "--doctree-dir", str(target.with_name("doctrees"))]
    result = subprocess.run([*argv, str(DOCS), str(target)], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    return target


@pytest.fixture(scope="module")
def address(built: Path) -> Iterator[str]:
    """The site on a server, as a browser gets it."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=built)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def names() -> set[str]:
    return {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}


def test_no_link_is_dead(built: Path) -> None:
    assert list(check_links.dead_links(built)) == []


def test_each_page_can_be_reached_from_the_first_one_by_the_list_at_the_side(built: Path) -> None:
    listed = re.findall(r'<a class="reference internal" href="([^"#]+)\.html">', sidebar(built / "index.html"))
    assert len(listed) == len(set(listed))
    assert {*listed, "index", "404"} == names()


def sidebar(page: Path) -> str:
    (found,) = re.findall(r'<div class="sidebar-tree">.*?</div>', page.read_text("utf-8"), re.DOTALL)
    return str(found)


def test_each_error_has_the_place_to_which_its_message_leads(built: Path) -> None:
    anchors = set(re.findall(r'id="([^"]+)"', (built / "errors.html").read_text("utf-8")))
    assert {urlsplit(docs_page(code)).fragment for code in CODES} <= anchors
    assert urlsplit(docs_page("usage")).path.endswith("/errors.html")


def test_each_address_of_the_site_in_the_repository_exists(built: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    texts = [CHECKOUT / name for name in listed.split("\0") if name.endswith((".md", ".py", ".toml", ".yml", ".json"))]
    named = {
        (path, anchor)
        for text in texts
        if text.is_file() and "tests" not in text.relative_to(CHECKOUT).parts
        for path, anchor in ADDRESS.findall(text.read_text("utf-8"))
    }
    assert ("first/flask.html", "") in named
    for path, anchor in named:
        content = (built / (path or "index.html")).read_text("utf-8")
        assert not anchor or f'id="{anchor}"' in content, f"{path}#{anchor}"


def test_the_schemas_are_where_their_identifiers_say(built: Path) -> None:
    for name in ("settings.schema.json", "pyproject.schema.json"):
        assert json.loads((built / name).read_text("utf-8"))["$id"] == f"{site.DOCS}{name}"


def test_a_heading_has_the_anchor_that_it_has_on_github(built: Path) -> None:
    text = (built / "settings.html").read_text("utf-8")
    assert 'id="toolnox-pexbinarynamesmoke"' in text
    assert 'id="tool-nox-pex-binary-name-smoke"' in text


def test_a_link_that_leaves_the_pages_leads_to_the_repository(built: Path) -> None:
    assert f'href="{site.REPOSITORY}/tree/main/examples/monorepo"' in (built / "monorepo.html").read_text("utf-8")
    assert f'href="{site.REPOSITORY}/blob/main/benchmarks/results/' in (built / "benchmarks.html").read_text("utf-8")


def test_the_signatures_are_written_as_in_the_code(built: Path) -> None:
    text = re.sub(r"<[^>]+>", "", (built / "api.html").read_text("utf-8"))
    assert "only: Sequence[SessionName] | None = None" in text
    assert "ForwardRef" not in text


def test_the_page_for_unknown_addresses_works_in_any_directory(built: Path) -> None:
    assert f'<base href="{site.DOCS}">' in (built / "404.html").read_text("utf-8")
    assert "<base" not in (built / "index.html").read_text("utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", SHOWN)
def test_axe_finds_nothing_to_complain_of(browser: Browser, address: str, name: str, scheme: Scheme) -> None:
    query = "?q=lock-stale" if name == "search" else ""
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    seen = Shown(context.new_page(), f"{address}/{name}.html{query}")
    found, sideways = {}, {}
    for width in (360, 1400):
        seen.width(width)
        seen.page.goto(seen.address)
        if query:
            expect(seen.page.locator("#search-results li").first).to_be_visible()
        found[width] = seen.violations()
        sideways[width] = seen.scrolls_sideways()
    context.close()

    assert not any(found.values()), found
    assert sideways == {360: False, 1400: False}


def test_a_page_asks_no_other_site_for_anything(browser: Browser, address: str) -> None:
    context = browser.new_context()
    seen = Shown(context.new_page(), f"{address}/how-it-works.html")
    seen.page.goto(seen.address)
    others = [request for request in seen.requests if not request.startswith(address)]
    context.close()

    assert (others, seen.messages) == ([], [])


def test_the_search_finds_an_error_by_its_code(page: Page, address: str) -> None:
    page.goto(f"{address}/index.html")
    page.get_by_role("textbox", name="Search").fill("lock-stale")
    page.keyboard.press("Enter")

    page.locator("#search-results").get_by_role("link", name="lock-stale").first.click()

    expect(page).to_have_url(re.compile(r"/errors\.html.*#lock-stale$"))
    expect(page.get_by_role("heading", name="lock-stale")).to_be_visible()


def test_an_example_can_be_copied(page: Page, address: str) -> None:
    page.goto(f"{address}/sessions.html")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    block = page.locator("div.highlight-toml").first

    block.get_by_role("button", name="Copy").click()

    assert page.evaluate("navigator.clipboard.readText()").strip() == block.locator("pre").inner_text().strip()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("theme", "colour"), [("light", [221, 244, 255]), ("dark", [12, 45, 107])])
def test_the_picture_follows_the_theme_that_the_reader_chose(
    browser: Browser, address: str, theme: str, colour: list[int], scheme: Scheme
) -> None:
    page = browser.new_context(color_scheme=scheme).new_page()
    page.goto(f"{address}/how-it-works.html")
    page.evaluate(f"document.body.dataset.theme = {theme!r}")

    picture = page.get_by_role("img", name="install, freeze and pex").screenshot()

    assert pixel(page, picture, 70, 290) == colour  # in the box of the binary
    page.context.close()


def pixel(page: Page, picture: bytes, x: int, y: int) -> list[int]:
    """Return red, green and blue of a point of a PNG, decoded by the browser of `page`."""
    code = """async ([data, x, y]) => {
        const image = new Image();
        image.src = `data:image/png;base64,${data}`;
        await image.decode();
        const canvas = Object.assign(document.createElement("canvas"), {width: image.width, height: image.height});
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        return [...context.getImageData(x, y, 1, 1).data].slice(0, 3);
    }"""
    found: list[int] = page.evaluate(code, [base64.b64encode(picture).decode(), x, y])
    return found


def test_read_the_docs_builds_the_site_as_a_developer_does() -> None:
    configuration = CHECKOUT / ".readthedocs.yaml"
    argv = ["check-jsonschema", "--builtin-schema", "vendor.readthedocs", str(configuration)]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout

    build = YAML(typ="safe", pure=True).load(configuration.read_text("utf-8"))["build"]["jobs"]["build"]["html"]
    assert build[0] == "python -m nox --session docs"
    assert "cp --recursive .nox/site " in build[1]
    assert 'site = ROOT / ".nox" / "site"' in (CHECKOUT / "noxfile.py").read_text("utf-8")
