"""Check the links in a built site: each must lead to a file of the site and, if it has an anchor, to an element of it.

Run it with the directory of the site. It prints each link that leads nowhere, and then exits with 1.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LINKING = {"a": "href", "link": "href", "img": "src", "script": "src", "source": "srcset", "object": "data"}


class _Page(HTMLParser):
    """The links of a page, and the anchors that a link can name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the element links to, and its names."""
        found = dict(attrs)
        self.anchors.update(found[name] or "" for name in ("id", "name") if name in found)
        link = found.get(_LINKING.get(tag, ""))
        if link:
            self.links.append(link)


def dead_links(site: Path) -> Iterator[str]:
    """Yield a line for each link of a page below `site` that leads nowhere, with the page.

    Links to other sites are left out. A link to a directory stands for its `index.html`. An anchor counts only in a
    page: in other files, it means something to a browser.
    """
    pages = {path.resolve(): _Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            where = path.relative_to(site.resolve()).as_posix()
            if not target.is_file():
                yield f"{where}: {link}: there is no such file"
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{where}: {link}: the page has no such anchor"


if __name__ == "__main__":
    found = list(dead_links(Path(sys.argv[1])))
    sys.exit("\n".join(found) if found else 0)
