"""Print facts about this process as JSON, for the tests."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys

from wares import STOCK


def main() -> None:
    report = {
        "said": "counter",
        "arguments": sys.argv[1:],
        "distributions": sorted(found.metadata["Name"] for found in importlib.metadata.distributions()),
        "environ": dict(os.environ),
        "executable": sys.executable,
        "file": __file__,
        "flags": {"dev_mode": sys.flags.dev_mode, "optimize": sys.flags.optimize},
        "path": sys.path,
        "prefix": sys.prefix,
        "python": ".".join(map(str, sys.version_info[:2])),
        "stock": STOCK,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
