"""The options of pex that `pex-args` must not have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_COVERED: Final = {
    "script": ("-c", "--script", "--console-script"),
    "entry-point": ("-m", "-e", "--entry-point"),
    "executable": ("--exe", "--executable", "--python-script"),
    "inject-args": ("--inject-args", "--"),
    "inject-env": ("--inject-env",),
    "inject-python-args": ("--inject-python-args",),
    "groups": ("--group", "--dependency-group"),
    "sources": ("-D", "--sources-directory", "-R", "--resources-directory", "-P", "--package", "-M", "--module"),
    "layout": ("--layout",),
    "execution-mode": ("--venv", "--unzip", "--no-unzip"),
    "sh-boot": ("--sh-boot", "--no-sh-boot"),
    "compress": ("--compress", "--compressed", "--no-compress", "--not-compressed", "--no-compression"),
    "compile": ("--compile", "--no-compile"),
    "pre-install-wheels": ("--pre-install-wheels", "--no-pre-install-wheels"),
    "max-install-jobs": ("--max-install-jobs",),
    "interpreter-constraints": ("--interpreter-constraint",),
    "python-shebang": ("--python-shebang",),
    "strip-pex-env": ("--strip-pex-env", "--no-strip-pex-env"),
    "emit-warnings": ("--emit-warnings", "--no-emit-warnings"),
    "include-tools": ("--include-tools",),
    "venv-copies": ("--venv-copies", "--no-venv-copies"),
    "venv-site-packages-copies": ("--venv-site-packages-copies", "--no-venv-site-packages-copies"),
    "venv-hermetic-scripts": ("--non-hermetic-venv-scripts",),
    "runtime-pex-root": ("--runtime-pex-root",),
    "validate-entry-point": ("--validate-entry-point",),
    "check": ("--check",),
    "exclude": ("--exclude",),
    "complete-platforms": ("--complete-platform", "--platform", "--abbreviated-platform"),
}
"""The keys of a binary, each with the options of pex 2.105 that it sets. (`venv-bin-path` is the value of `--venv`.)"""


_RESERVED: Final = (
    *("-o", "--output-file", "-r", "--requirement", "--requirements", "--with-requirements", "--project"),
    *("--constraint", "--constraints", "--override", "--requirements-pex", "--pex-repository", "--lock", "--pex-lock"),
    *("--pylock", "--pep-751-lock", "--pre-resolved-dist", "--pre-resolved-dists", "--venv-repository"),
    *("--pre", "--no-pre", "--transitive", "--no-transitive", "--intransitive"),
    *("--python", "--python-path", "--resolve-local-platforms", "--use-system-time", "--no-use-system-time"),
    *("--pex-root", "--disable-cache", "--cache-dir", "--tmpdir", "--rcfile", "-h", "--help", "-V", "--version"),
)
"""Options that nox-pex itself passes, or with which something other than the installed environment would decide."""


def check_pex_argument(argument: str) -> None:
    """Raise `ValueError` if `pex-args` must not have `argument`.

    There is a key for its option, or nox-pex passes the option itself, or it names a file of arguments.
    """
    option = argument.partition("=")[0]
    if argument.startswith("@"):
        msg = f"`pex-args`: {argument!r} reads arguments from a file; write them into `pex-args`"
        raise ValueError(msg)
    for key, options in _COVERED.items():
        if _is_one_of(option, options):
            msg = f"`pex-args`: {option} conflicts with the key {key}; use {key}"
            raise ValueError(msg)
    if _is_one_of(option, _RESERVED):
        msg = f"`pex-args`: {option} conflicts with an option that nox-pex passes to pex; leave it out"
        raise ValueError(msg)


def _is_one_of(option: str, options: Iterable[str]) -> bool:
    """Whether pex reads `option` as one of `options`; a short one may be joined with its value (`-cserve`)."""
    short = option[:2] if not option.startswith("--") else option
    return option in options or short in options
