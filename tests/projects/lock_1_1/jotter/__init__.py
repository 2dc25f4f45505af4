"""A program of the days of Poetry 1.1."""

import sys
from importlib.metadata import distributions, version


def main() -> None:
    print(version("jotter"), *sorted(f"{found.name}=={found.version}" for found in distributions()), *sys.argv[1:])
