"""Summarise a CSV from stdin, with pandas."""

from __future__ import annotations

import sys

import pandas as pd


def main() -> None:
    table = pd.read_csv(sys.stdin)
    totals = table.groupby("item")["count"].sum()
    sys.stdout.write(totals.to_json() + "\n")
