"""Print the Python and the architecture, escaped by a compiled module, and the versions of the dependencies."""

import platform
from importlib.metadata import distributions

from markupsafe import _speedups, escape


def main():
    minor = ".".join(platform.python_version_tuple()[:2])
    names = sorted(f"{d.metadata['Name']} {d.version}" for d in distributions() if d.metadata["Name"] in NAMES)
    print(escape(f"<{minor} on {platform.machine()}>"), *names)
    assert _speedups.__file__.endswith(".so")


NAMES = ("tabulate", "zipp")
