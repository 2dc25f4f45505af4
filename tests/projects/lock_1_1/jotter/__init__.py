"""A program whose lock has version 1.1, as Poetry 1.1 wrote it."""

import sys
from importlib.metadata import distributions, version


def main() -> None:
    print(version("jotter"), *sorted(f"{found.name}=={found.version}" for found in distributions()), *sys.argv[1:])
