"""Chromium without a window, which shows a page as a person would see it, and notes everything that it complains of."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, sync_playwright

Scheme = Literal["light", "dark"]


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start the Chromium that is on PATH, and stop it at the end. A test fails if there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.fail("no chromium on PATH: install it, as `.ci/run` does (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--disable-gpu", "--disable-background-networking"]
        )
        try:
            yield browser
        finally:
            browser.close()


class Shown:
    """A page in a window: the addresses that it asks for, those that pass its policy, and the messages."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.requests: list[str] = []
        self.let_through: list[str] = []
        self.messages: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.messages.append(message.text))
        page.on("pageerror", lambda error: self.messages.append(str(error)))

    def width(self, width: int) -> None:
        """Make the window this wide."""
        self.page.set_viewport_size({"width": width, "height": 900})

    def scrolls_sideways(self) -> bool:
        """Whether the page as a whole is wider than the window."""
        root = self.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        return bool(root[0] > root[1])

    def violations(self) -> list[str]:
        """The rules of axe that the page breaks, each with the first elements that do."""
        found: list[dict[str, Any]] = Axe().run(self.page).response["violations"]
        return [f"{each['id']}: {[node['html'][:200] for node in each['nodes'][:3]]}" for each in found]

    def focus(self) -> dict[str, Any]:
        """The element that has the focus: its number among those that `focusable` counts, and its outline in pixels."""
        focused: dict[str, Any] = self.page.evaluate(
            f"""() => {{
                const found = document.activeElement, style = getComputedStyle(found);
                const all = [...document.querySelectorAll({FOCUSABLE!r})];
                return {{at: all.indexOf(found), tag: found.tagName, closed: found.parentElement?.open === false,
                         outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth)}};
            }}"""
        )
        return focused

    def focusable(self) -> int:
        """The number of links, summaries and blocks that scroll."""
        return self.page.locator(FOCUSABLE).count()


FOCUSABLE = "a[href], summary, [tabindex='0']"


@contextlib.contextmanager
def shown(browser: Browser, file: Path, text: str, **settings: Any) -> Iterator[Shown]:
    """Show a page with this text, which is written to `file`. What it asks for does not leave the machine.

    The `settings` are those of a context in playwright: `color_scheme`, `java_script_enabled`, `forced_colors`.
    """
    file.write_text(text, encoding="utf-8")
    address = file.as_uri()
    let_through: list[str] = []

    def answer(route: Route) -> None:
        let_through.append(route.request.url)
        if route.request.url == address:
            route.continue_()
        else:
            route.abort()

    context = browser.new_context(viewport={"width": 1400, "height": 900}, offline=True, **settings)
    try:
        context.route("**/*", answer)
        found = Shown(context.new_page(), address)
        found.let_through = let_through
        found.page.goto(address)
        yield found
    finally:
        context.close()
