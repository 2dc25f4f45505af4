"""Random changes of a project, one after another, each built fast and from scratch. Run by hand, for minutes or hours.

    python -m tests.support.random_walk --seed 4711 --steps 50 --cache DIRECTORY

The cache keeps the tools from run to run. The same seed gives the same changes. The walk ends at the first difference.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nox_pex.errors import NoxPexError
from tests.support import odd_wheels
from tests.support.changing_project import ChangingProject
from tests.support.commands import clean_environ
from tests.support.odd_wheels import ALL
from tests.support.same_bytes import Oracle, provide_tools
from tests.support.warm.tools import warm

KEYS: Final[dict[str, tuple[Any, ...]]] = {
    "layout": ("zipapp", "zipapp", "packed", "loose"),
    "execution-mode": ("venv", "zipapp"),
    "sh-boot": (True, False),
    "compress": (True, True, False),
    "compile": (False, False, True),
    "pre-install-wheels": (True, False, None),
    "inject-args": ((), ("--a b", "", "\xe9"), ("'",)),
    "inject-env": ({}, {"A": "b=c", "E": ""}, {"Q": "'\"\n$"}),
    "inject-python-args": ((), ("-u",), ("-X", "dev")),
    "max-install-jobs": (1, 0, 4),
    "interpreter-constraints": ((), ("CPython>=3.8",), (">=3.8", "PyPy>=3.8")),
    "python-shebang": (None, "/usr/bin/env python3", "/bin/sh -c python"),
    "strip-pex-env": (True, False),
    "emit-warnings": (True, False),
    "include-tools": (False, True),
    "venv-copies": (False, True),
    "venv-site-packages-copies": (False, True),
    "venv-hermetic-scripts": (True, False),
    "venv-bin-path": (None, "prepend", "append"),
    "runtime-pex-root": (None, "~/root", "/var/pex"),
    "check": ("error", "warn", "none"),
    "exclude": ((), ("tools",), ("plain<1.1",), ("plain>1", "crowd")),
    "pex-args": ((), ("--inherit-path=prefer",), ("--jobs", "1")),
    "groups": (None, ("main", "server")),
    "extras": (None, ("more",)),
    "sources": ({}, {"include": ["docs/"]}, {"exclude": ["shop/data/"]}, {"exclude": ["*.txt"], "include": ["docs/a"]}),
}
"""The values that each key may get. None removes the key."""

ENTRIES: Final = (
    {"entry-point": "shop.main:main"},
    {"entry-point": "shop.main"},
    {"script": "serve"},
    {"script": "rawtool"},
)

NAMES: Final = (
    "shop/a.py",
    "shop/data/x.txt",
    "A.py",
    "zz.py",
    "shop/deep/na\xefve.txt",
    "docs/a",
    "_.py",
    "shop/z/.h",
)


class Walk:
    """The random changes of `project`, which `choice` decides."""

    def __init__(self, project: ChangingProject, choice: random.Random) -> None:
        self.project, self.choice = project, choice
        self.changes: tuple[Callable[[], str], ...] = (
            self.set_key,
            self.set_key,
            self.set_entry,
            self.write_file,
            self.write_file,
            self.remove_file,
            self.make_executable,
            self.ship,
            self.ship,
            self.ship,
            self.leave_out,
            self.ship_in_group,
            self.ship_in_extra,
            self.change_kind,
            self.change_version,
            self.change_nothing,
        )
        project.write("shop/__init__.py", "")
        project.write("shop/main.py", "def main(): ...\n")
        project.write("docs/manual.txt", "a manual\n")
        project.binaries = {name: dict(ENTRIES[0]) for name in ("one", "two")}
        tools = next(odd for odd in ALL if odd.key == "tools")
        project.ship(tools, odd_wheels.plain())

    def step(self) -> str:
        """Make up to three changes; return what they are."""
        made = [self.choice.choice(self.changes)() for _ in range(self.choice.randint(1, 3))]
        self.project.save()
        return ", ".join(made)

    def set_key(self) -> str:
        table, key = self.choice.choice([*self.project.binaries.values()]), self.choice.choice([*KEYS])
        value = self.choice.choice(KEYS[key])
        if value is None:
            table.pop(key, None)
        else:
            table[key] = [*value] if isinstance(value, tuple) else value
        return f"{key} = {value!r}"

    def set_entry(self) -> str:
        name = self.choice.choice([*self.project.binaries])
        entry = self.choice.choice(ENTRIES)
        kept = {
            key: value for key, value in self.project.binaries[name].items() if key not in ("entry-point", "script")
        }
        self.project.binaries[name] = {**entry, **kept}
        return f"{entry}"

    def write_file(self) -> str:
        name = self.choice.choice(NAMES)
        self.project.write(name, f"# {self.choice.random()}\n" * self.choice.choice((0, 1, 3000)))
        return f"{name} written"

    def remove_file(self) -> str:
        name = self.choice.choice(NAMES)
        if (self.project.root / name).exists():
            self.project.remove(name)
        return f"{name} removed"

    def make_executable(self) -> str:
        file = self.project.root / "shop/main.py"
        mode = self.choice.choice((0o644, 0o755, 0o600))
        file.chmod(mode)
        return f"mode {mode:o}"

    def ship(self) -> str:
        odd = self.choice.choice(ALL)
        if odd.key in self.elsewhere():
            return "nothing"
        self.project.ship(odd)
        return f"{odd.key} {odd.version} {odd.variant}"

    def leave_out(self) -> str:
        names = sorted(self.project.main.keys() - {"tools"})
        if not names:
            return "nothing"
        name = self.choice.choice(names)
        self.project.leave_out(name)
        return f"without {name}"

    def elsewhere(self) -> set[str]:
        """The names that groups and extras have."""
        return {key for found in (*self.project.groups.values(), *self.project.extras.values()) for key in found}

    def ship_in_group(self) -> str:
        odd = self.choice.choice([odd for odd in ALL if odd.key == "crowd"])
        self.project.leave_out(*({odd.key} & self.project.main.keys()))
        self.project.groups = {"server": {odd.key: odd}}
        return f"{odd.key} {odd.version} in a group"

    def ship_in_extra(self) -> str:
        odds = [odd for odd in ALL if odd.key.startswith("twin-")]
        chosen = {odd.key: odd for odd in self.choice.sample(odds, self.choice.randint(1, 2))}
        self.project.leave_out(*(chosen.keys() & self.project.main.keys()))
        self.project.extras = {"more": chosen}
        return f"{sorted(chosen)} in an extra"

    def change_kind(self) -> str:
        package = {"packages": [{"include": "shop"}, {"include": "*.py"}]}
        self.project.poetry = self.choice.choice(({"package-mode": False}, package))
        return f"{self.project.poetry}"

    def change_version(self) -> str:
        self.project.project["version"] = f"{self.choice.randint(1, 5)}.0"
        return f"version {self.project.project['version']}"

    def change_nothing(self) -> str:
        return "nothing"


def main() -> None:
    """Walk, and print each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--cache", required=True, help="a directory in which the tools stay")
    given = parser.parse_args()
    environ = {**clean_environ(), "NOX_PEX_CACHE_DIR": given.cache}
    _show(f"seed {given.seed}")
    with (
        odd_wheels.served() as index,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory,
        warm(provide_tools(environ), environ=environ),
    ):
        oracle = Oracle.of(Path(directory), environ=environ, index=index)
        choice = random.Random(given.seed)  # noqa: S311  # it repeats a walk, and hides nothing
        walk = Walk(oracle.project, choice)
        for number in range(given.steps):
            change = walk.step()
            force, again = choice.random() < 0.1, choice.random() < 0.1
            try:
                oracle.check(change, force=force, install_again=again)
            except NoxPexError as error:
                _show(f"{number}: {change}: {error}")
                continue
            except AssertionError as error:
                sys.exit(f"{number}: {error}\nThe seed is {given.seed}.\n" + "\n".join(oracle.said))
            _show(f"{number}: {change}: the same bytes")


def _show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
