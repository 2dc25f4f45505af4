"""pex's command line that makes scies of a finished PEX, and its failures. Nothing here starts a process."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.errors import NoxPexError
from nox_pex.settings.model import Binary
from nox_pex.settings.pex_args import SCIE_FILES, scie_options
from nox_pex.system.command import Outcome
from nox_pex.tools import index_failures

_ONLY_COMPLETE_PLATFORMS: Final = """\
from pex.cli.pex import main
from pex.orderedset import OrderedSet
from pex.resolve.target_configuration import InterpreterConfiguration
InterpreterConfiguration.resolve_interpreters = lambda self: OrderedSet()
main()
"""
"""Runs pex for its `--complete-platform`s only. Plain pex also takes every local interpreter that satisfies the PEX's
interpreter constraint, and fails if none does."""


_SCIENCE_RAN: Final = re.compile(r"Failed to build \d+ scies?:")
"""Matches the first line of pex's error if science was there and failed (`ScienceError` in pex's `scie/science.py`)."""


_DOWNLOAD_FAILED: Final = re.compile(r"<urlopen error|HTTP Error \d+|HTTPStatusError|SSLError|CERTIFICATE_VERIFY")
"""Matches what pex (urllib) and science (httpx) print if a server refuses a download."""


_GITHUB: Final = "github.com"
"""The host from which science, scie-jump and portable Pythons come by default."""


def scie_argv(
    binary: Binary,
    *,
    python: Path,
    pex: Path,
    root: Path,
    python_path: Path,
    interpreters: Sequence[Interpreter],
    platforms: Sequence[Path],
    pex_root: Path,
) -> list[str]:
    """Return pex's command line that makes the scies of the file `pex`, next to it.

    `python` is the interpreter whose environment has pex. `root` is the directory of the project, to which files in
    `pex-args` are relative. `python_path` is the directory of the Python that the PEX was built with. `platforms` are
    the files of the `complete-platforms`; empty for a PEX for that Python.
    """
    program = ["-c", _ONLY_COMPLETE_PLATFORMS] if platforms else ["-m", "pex.cli"]
    arguments = [str(python), *program, "scie", "create", str(pex), "--style", str(binary.scie)]
    arguments += ["--scie-name-style", "platform-file-suffix", "--pex-root", str(pex_root)]
    arguments += ["--python-path", str(python_path)]
    for platform in platforms:
        arguments += ["--complete-platform", str(platform)]
    options = scie_options(binary.pex_args)
    chosen = any(option == "--scie-python-version" for option, _ in options)
    if not platforms and not chosen and interpreters[0].implementation == "CPython":
        # Several local Pythons may satisfy the constraint of the PEX, and pex would take the newest.
        arguments += ["--scie-python-version", interpreters[0].minor]
    for option, value in options:
        file = option_file(option, value, root=root)
        given = str(file) if file is not None else value
        arguments += [option] if given is None else [f"{option}={given}"]
    return arguments


def option_file(option: str, value: str | None, *, root: Path) -> Path | None:
    """Return the file that an option in `pex-args` names, relative to the project's directory `root`; else None."""
    if value is None or option not in SCIE_FILES:
        return None
    file = root / value
    return file if file.is_file() else None


def failure(outcome: Outcome, binary: Binary, *, of: str) -> NoxPexError:
    """Return the error for a run of pex that failed to make the scie of the binary `of`."""
    options = dict(scie_options(binary.pex_args))
    if _SCIENCE_RAN.search(outcome.output):
        tool, what, host = "science", "scie-jump or a Python", _host(options.get("--scie-assets-base-url"))
    else:
        tool, what, host = "pex", "science", _host(options.get("--scie-science-binary"))
    last = outcome.tail[-1].strip() if outcome.tail else "no output"
    refused = next((line.strip() for line in outcome.output.splitlines() if _DOWNLOAD_FAILED.search(line)), None)
    reason = index_failures.unreachable(outcome) or refused
    if reason is not None:
        problem = f"{tool} could not download {what} from {host}, for the scie of {of}: {reason}"
        copies = 'pex-args = ["--scie-science-binary", "PATH", "--scie-assets-base-url", "URL"]'
        return NoxPexError("index-unreachable", problem, f"allow {host}, or name copies: {copies}", log=outcome.tail)
    problem = f"{tool} could not make the scie of {of} (exit status {outcome.status}): {last}"
    remedy = "read pex's last lines above; --verbose shows its command line"
    return NoxPexError("build-failed", problem, remedy, log=outcome.tail)


def _host(url: str | None) -> str:
    """Return the host of a URL; GitHub's without one."""
    return urlsplit(url or "").hostname or _GITHUB
