"""Everything that a launcher of Poetry's environment starts, the binary starts, by each of its ways to start a script."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from tests.support.distribution_files import write_wheel
from tests.support.locker import Locker
from tests.support.nox_project import Project

CLI: Final = """\
import json
import os
import subprocess
import sys


def say(name):
    print(json.dumps({"name": name, "args": sys.argv[1:], "argv0": os.path.basename(sys.argv[0])}))


def entry():
    say("entry")


class Tool:
    @staticmethod
    def main():
        say("tool")


def window():
    say("window")


def outer():
    for script in ("lazy-run", "lazy-tool", "lazy-window", "lazy-sh", "lazy-py"):
        subprocess.run([script, "from-outer"], check=True)
"""

ENTRY_POINTS: Final = """\
[console_scripts]
lazy-run = lazy:cli.entry
lazy-tool = lazy : cli.Tool.main [fast]
outer = lazy.cli:outer

[gui_scripts]
lazy-window = lazy:cli.window
"""

LAZY: Final = {
    "lazy/__init__.py": "",
    "lazy/cli.py": CLI,
    "lazy-1.0.dist-info/entry_points.txt": ENTRY_POINTS,
    "lazy-1.0.data/scripts/lazy-sh": '#!/bin/sh\necho "shell $*"\n',
    "lazy-1.0.data/scripts/lazy-py": "#!python\nfrom lazy.cli import say\n\nsay('python')\n",
}

COMMANDS: Final = {
    "lazy-run": '"name": "entry", "args": ["one"]',
    "lazy-tool": '"name": "tool", "args": ["one"]',
    "lazy-window": '"name": "window", "args": ["one"]',
    "lazy-sh": "shell one",
    "lazy-py": '"name": "python", "args": ["one"]',
}
"""The scripts of the wheel, and what each prints with the argument `one`."""
