"""A package with data next to its code."""

from pathlib import Path

STOCK = Path(__file__).with_name("stock.txt").read_text("utf-8").strip()
