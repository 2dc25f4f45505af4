"""Pages, images and spreadsheets."""

import io

import markdown
import orjson
import yaml
from bs4 import BeautifulSoup
from jinja2 import Template
from lxml import html
from openpyxl import Workbook
from PIL import Image

PAGE = Template("# {{ title }}\n\nWelcome.")


def page(title: str) -> str:
    """Render the first page; return it as JSON."""
    rendered = markdown.markdown(PAGE.render(title=title))
    heading = html.fromstring(f"<div>{rendered}</div>").findtext("h1")
    words = BeautifulSoup(rendered, "lxml").get_text(" ", strip=True)
    return orjson.dumps(yaml.safe_load(f"heading: {heading}\nwords: {words}")).decode()


def thumbnail() -> bytes:
    """Return a PNG image."""
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), "teal").save(buffer, "PNG")
    return buffer.getvalue()


def sheet() -> bytes:
    """Return an XLSX spreadsheet."""
    buffer = io.BytesIO()
    Workbook().save(buffer)
    return buffer.getvalue()
