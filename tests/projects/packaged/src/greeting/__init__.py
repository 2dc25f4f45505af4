"""Print a greeting from a file next to the code."""

import sys
from pathlib import Path

import idna


def main() -> None:
    words = Path(__file__).with_name("words.txt").read_text("utf-8").strip()
    print(words, *sys.argv[1:], idna.encode("bücher.example").decode())
