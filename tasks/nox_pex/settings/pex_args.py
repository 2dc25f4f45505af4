"""The options in `pex-args`: those that it must not have, and those that are for the scie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

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
    "scie": ("--scie", "--par", "--scie-only", "--no-scie-only", "--pex-and-scie"),
}
"""The keys of a binary, each with the options of pex 2.105 that it sets. (`venv-bin-path` is the value of `--venv`.)"""


_RESERVED: Final = (
    *("-o", "--output-file", "-r", "--requirement", "--requirements", "--with-requirements", "--project"),
    *("--constraint", "--constraints", "--override", "--requirements-pex", "--pex-repository", "--lock", "--pex-lock"),
    *("--pylock", "--pep-751-lock", "--pre-resolved-dist", "--pre-resolved-dists", "--venv-repository"),
    *("--pre", "--no-pre", "--transitive", "--no-transitive", "--intransitive"),
    *("--python", "--python-path", "--resolve-local-platforms", "--use-system-time", "--no-use-system-time"),
    *("--pex-root", "--disable-cache", "--cache-dir", "--tmpdir", "--rcfile", "-h", "--help", "-V", "--version"),
    # The file names of a scie are fixed, and the record has its SHA-256.
    *("--scie-name-style", "--scie-hash-alg"),
)
"""Options that nox-pex itself passes, or with which something other than the installed environment would decide."""


_OTHER_ENTRY: Final = ("--scie-exe", "--scie-args", "--scie-env", "--scie-busybox")
"""Options with which a scie starts something other than the binary's entry, so that the checks of the smoke test, which
are the same for both, could not pass."""


_LONGER: Final = ("--source", "--rc")
"""Options of pex 2.105 that are the beginning of another one that is refused here."""


_SCIE_SWITCHES: Final = frozenset(
    prefix + name
    for prefix in ("--", "--no-")
    for name in (
        *("scie-load-dotenv", "scie-prompt-desktop-install", "scie-pbs-free-threaded", "scie-pbs-debug"),
        *("scie-pbs-stripped", "scie-pex-entrypoint-env-passthrough", "scie-busybox-pex-entrypoint-env-passthrough"),
    )
) | {"--scie-windowed"}
"""The options for a scie that take no value."""


_DESKTOP_FILE: Final = "--scie-desktop-file"
"""The one option for a scie whose value may be left out."""


SCIE_FILES: Final = frozenset({_DESKTOP_FILE, "--scie-icon", "--scie-science-binary"})
"""The options for a scie whose value may be the path of a file."""


_SCIE_URLS: Final = frozenset({"--scie-science-binary", "--scie-assets-base-url"})
"""The options for a scie whose value may be a URL."""


_SCIE_VALUES: Final = (
    *("--scie-platform", "--scie-pbs-release", "--scie-pypy-release", "--scie-python-version", "--scie-base"),
    *("--scie-bind-resource-path", *SCIE_FILES, *_SCIE_URLS),
)
"""The options for a scie that take a value."""


def broken_rules(arguments: tuple[str, ...], *, has_scie: bool) -> Iterator[str]:
    """Yield what is wrong if `pex-args` must not have one of `arguments`.

    There is a key for its option, or nox-pex passes the option itself, or it names a file of arguments. Options for a
    scie are refused without the key `scie` (`has_scie`), if their value is missing, or if it has a password.
    """
    for argument in arguments:
        yield from _check_argument(argument)
    for option, value in scie_options(arguments):
        if not has_scie:
            msg = f'`pex-args`: {option} has no effect without the key scie; write scie = "eager", or leave it out'
            yield msg
        elif value is None and option in _SCIE_VALUES and option != _DESKTOP_FILE:
            msg = f"`pex-args`: {option} has no value; write it as the next argument"
            yield msg
        elif option in _SCIE_URLS and value is not None and _has_user(value):
            msg = f"`pex-args`: the URL of {option} has a password or token; move it to a .netrc file"
            yield msg


def _has_user(url: str) -> bool:
    """Whether `url` has a user, a password or a token."""
    try:
        return "@" in urlsplit(url).netloc
    except ValueError:
        return "@" in url


def scie_options(arguments: tuple[str, ...]) -> tuple[tuple[str, str | None], ...]:
    """Return the options in `pex-args` that are for the scie, each with its value; None if it has none."""
    return tuple((option, value) for option, value, _ in _parsed(arguments) if option in _SCIE_OPTIONS)


def without_scie_options(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return `pex-args` without the options that are for the scie."""
    return tuple(each for option, _, texts in _parsed(arguments) if option not in _SCIE_OPTIONS for each in texts)


_SCIE_OPTIONS: Final = _SCIE_SWITCHES | frozenset(_SCIE_VALUES)


def _parsed(arguments: tuple[str, ...]) -> Iterator[tuple[str, str | None, tuple[str, ...]]]:
    """Yield each option for a scie with its value, and each other argument as it is; with each, the arguments."""
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        option, separator, joined = argument.partition("=")
        if option not in _SCIE_VALUES or separator:
            yield option, joined if separator else None, (argument,)
        elif not rest or (option == _DESKTOP_FILE and rest[0].startswith("-")):
            yield option, None, (argument,)
        else:
            value = rest.pop(0)
            yield option, value, (argument, value)


def _check_argument(argument: str) -> Iterator[str]:
    """Yield the first reason why `pex-args` must not have `argument`."""
    option = argument.partition("=")[0]
    if argument.startswith("@"):
        msg = f"`pex-args`: {argument!r} reads arguments from a file; write them into `pex-args`"
        yield msg
        return
    for key, options in _COVERED.items():
        if _is_one_of(option, options):
            msg = f"`pex-args`: {option} conflicts with the key {key}; use {key}"
            yield msg
            return
    if _is_one_of(option, _RESERVED):
        msg = f"`pex-args`: {option} conflicts with an option that nox-pex passes to pex; leave it out"
        yield msg
        return
    if option in _OTHER_ENTRY:
        msg = f"`pex-args`: {option} lets the scie start something other than the binary does; leave it out"
        yield msg
        return
    if option.startswith(("--scie", "--no-scie")) and option not in _SCIE_OPTIONS:
        msg = f"`pex-args`: {option} is not an option for a scie that nox-pex knows; leave it out"
        yield msg
        return
    yield from _check_abbreviation(option)


def _check_abbreviation(option: str) -> Iterator[str]:
    """Yield what is wrong with the beginning of a refused option: pex takes it for the whole option (argparse)."""
    if not option.startswith("--") or option in _LONGER:
        return
    refused = (*(each for options in _COVERED.values() for each in options), *_RESERVED, *_OTHER_ENTRY)
    whole = next((each for each in refused if each.startswith(option) and option != "--"), None)
    if whole is not None:
        msg = f"`pex-args`: pex may take {option} for {whole}, which must not be there; write the option in full"
        yield msg


def _is_one_of(option: str, options: Iterable[str]) -> bool:
    """Whether pex reads `option` as one of `options`; a short one may be joined with its value (`-cserve`)."""
    short = option[:2] if not option.startswith("--") else option
    return option in options or short in options
