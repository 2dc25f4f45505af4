"""Print the distributions that were installed for this Python."""

import sys
from importlib.metadata import distributions


def main() -> None:
    found = sorted(f"{found.metadata['Name']}=={found.version}" for found in distributions())
    print(f"{sys.version_info[0]}.{sys.version_info[1]}", *found)
