"""`[tool.nox-pex]` as frozen typed values (docs/settings.md describes every key).

A rule that no type can express stands in `__post_init__`, as a `ValueError` that reads "`key`: what is wrong; what to
do". `diagnosis` makes the line for the user out of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from nox_pex.errors import NoxPexError
from nox_pex.image.settings import Image
from nox_pex.smoke.settings import Budget, Smoke

_PATH: Final = "tool.nox-pex"
"""Where the settings stand in `pyproject.toml`."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

_IMPLEMENTATION: Final = re.compile(r"CPython(?:\+t|-t|\[free-threaded\]|\[gil\])?|PyPy|")
"""What may stand before the versions in an interpreter constraint (pex's `InterpreterImplementation`)."""

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
"""A binary's keys, and the options of pex 2.105 that they stand for. (`venv-bin-path` is the value of `--venv`.)"""

_OURS: Final = (
    *("-o", "--output-file", "-r", "--requirement", "--requirements", "--with-requirements", "--project"),
    *("--constraint", "--constraints", "--override", "--requirements-pex", "--pex-repository", "--lock", "--pex-lock"),
    *("--pylock", "--pep-751-lock", "--pre-resolved-dist", "--pre-resolved-dists", "--venv-repository"),
    *("--pre", "--no-pre", "--transitive", "--no-transitive", "--intransitive"),
    *("--python", "--python-path", "--resolve-local-platforms", "--use-system-time", "--no-use-system-time"),
    *("--pex-root", "--disable-cache", "--cache-dir", "--tmpdir", "--rcfile", "-h", "--help", "-V", "--version"),
)
"""Options that nox-pex passes itself, or that would let something else than the frozen environment decide."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A table of TOML: kebab-case keys, and none but those."""


class Sources(_Table, frozen=True, kw_only=True):
    """Which files of a `package-mode = false` project ship, as globs from its root, over and under the default."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key, patterns in (("include", self.include), ("exclude", self.exclude)):
            for pattern in patterns:
                if not pattern.strip("/"):
                    msg = f'`{key}`: {pattern!r} names no file; write a pattern such as "templates/"'
                    raise ValueError(msg)
                if pattern.startswith("!"):
                    other = "exclude" if key == "include" else "include"
                    msg = f"`{key}`: {pattern!r} negates; put {pattern[1:]!r} under {other}"
                    raise ValueError(msg)


class Binary(_Table, frozen=True, kw_only=True):
    """`[tool.nox-pex.binary.NAME]`. A field that is a pex option carries pex's name and meaning."""

    # exactly one of the three
    script: str | None = None
    entry_point: str | None = None
    executable: str | None = None

    inject_args: tuple[str, ...] = ()
    inject_env: dict[str, str] = {}
    inject_python_args: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = None
    extras: tuple[str, ...] | None = None
    sources: Sources = Sources()

    layout: Literal["zipapp", "packed", "loose"] = "zipapp"
    execution_mode: Literal["venv", "zipapp"] = "venv"
    sh_boot: bool = True
    compress: bool = True
    compile: bool = False
    pre_install_wheels: bool = True
    max_install_jobs: Annotated[int, msgspec.Meta(ge=-1)] = 1

    interpreter_constraints: tuple[str, ...] = ()
    python_shebang: str | None = None
    strip_pex_env: bool = True
    emit_warnings: bool = True
    include_tools: bool = False
    venv_copies: bool = False
    venv_site_packages_copies: bool = False
    venv_hermetic_scripts: bool = True
    venv_bin_path: Literal["prepend", "append"] | None = None
    runtime_pex_root: str | None = None
    validate_entry_point: bool = False
    check: Literal["none", "warn", "error"] = "error"
    exclude: tuple[str, ...] = ()
    complete_platforms: tuple[str, ...] = ()
    pex_args: tuple[str, ...] = ()

    smoke: Smoke | None = None
    budget: Budget = Budget()
    image: Image | None = None

    def __post_init__(self) -> None:
        kinds = {"script": self.script, "entry-point": self.entry_point, "executable": self.executable}
        given = [key for key, value in kinds.items() if value is not None]
        if len(given) != 1:
            remedy = "keep one" if given else 'add one, such as script = "…"'
            msg = f"expected exactly one of {', '.join(kinds)}, got {' and '.join(given) or 'none'}; {remedy}"
            raise ValueError(msg)
        if not kinds[given[0]]:
            msg = f"`{given[0]}`: it is empty; name what the binary runs"
            raise ValueError(msg)
        for constraint in self.interpreter_constraints:
            _judge_constraint(constraint)
        for name in self.inject_env:
            if not name or "=" in name:
                msg = f"`inject-env`: {name!r} is no name of an environment variable; write one such as LOG_LEVEL"
                raise ValueError(msg)
        for requirement in self.exclude:
            _judge_requirement(requirement)
        for argument in self.pex_args:
            _judge_pex_argument(argument)
        if self.image is not None and self.image.form == "unpacked":
            _judge_unpacked(self)
        if self.complete_platforms:
            _judge_targets(self)


class Settings(_Table, frozen=True, kw_only=True):
    """All of `[tool.nox-pex]`, with the binaries' names resolved and every default filled in."""

    poetry_version: str | None = None
    pex_version: str | None = None
    output_dir: Path = msgspec.field(default_factory=lambda: Path("dist"))  # no plain default: JSON has no paths
    groups: tuple[str, ...] = ("main",)
    extras: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    extends: str | None = None
    binary: dict[str, Binary] = {}

    def __post_init__(self) -> None:
        for key, version in (("poetry-version", self.poetry_version), ("pex-version", self.pex_version)):
            _judge_version(key, version)
        if self.output_dir == Path():
            msg = '`output-dir`: it must be a directory of its own; write its path from the project, such as "dist"'
            raise ValueError(msg)
        for name in self.binary:
            if not _NAME.fullmatch(name):
                msg = (
                    f"`binary`: {name!r} is no safe file name; "
                    "use letters, digits, dots, underscores and hyphens, a letter or a digit first"
                )
                raise ValueError(msg)


def parse(document: Mapping[str, Any], *, file: str, project_name: str | None, scripts: Mapping[str, str]) -> Settings:
    """The settings in `document`, a whole parsed `pyproject.toml`, which errors call `file`.

    `scripts` are the project's console scripts, name to reference: where the settings have no binary, the one script
    makes the one binary, named after the project `project_name`.
    Raises `NoxPexError`: "config" for what is no valid setting, "entry-missing" where there is no binary, and not
    exactly one script either.
    """
    tool = document.get("tool", {})
    table = tool.get("nox-pex", {}) if isinstance(tool, Mapping) else {}
    if not isinstance(table, Mapping) or "extends" not in table:
        settings = _judged(table, lambda path: (file, path))
        if not settings.binary:
            name, script = _sole_binary(file, project_name, scripts)
            return msgspec.structs.replace(settings, binary={name: Binary(script=script)})
        return settings

    from nox_pex import extends  # noqa: PLC0415 (not needed by most)

    layers = extends.layers(extends.Layer(table=table, file=file, path=_PATH))
    if not any(layer.binaries.keys() - {extends.EVERY} for layer in layers):
        name, script = _sole_binary(file, project_name, scripts)
        layers = [*layers, extends.Layer(table={"binary": {name: {"script": script}}}, file=file, path=_PATH)]
    merged = extends.merge(layers)
    return _judged(merged.table, lambda path: merged.origin(path) or (file, path))


def _judged(table: Any, origin: Callable[[str], tuple[str, str]]) -> Settings:
    """`table` as settings; an error has the file and the dotted path that `origin` gives for a path in it."""
    try:
        return msgspec.convert(table, Settings, dec_hook=_dec_hook)
    except msgspec.ValidationError as error:
        from nox_pex import diagnosis  # noqa: PLC0415 (for an error alone)

        refusal = diagnosis.explain(table, Settings, path=_PATH, dec_hook=_dec_hook)
        file, path = origin(refusal.path)
        raise NoxPexError("config", f"{file}: {path}: {refusal.problem}", refusal.remedy) from error


def _dec_hook(kind: type, value: Any) -> Any:
    """Make a `kind` that TOML does not know out of `value`, as `msgspec.convert` asks: a path out of a string."""
    if kind is Path and isinstance(value, str):
        return Path(value)
    msg = "Expected `str`"
    raise TypeError(msg)


def _sole_binary(file: str, project_name: str | None, scripts: Mapping[str, str]) -> tuple[str, str]:
    """The one binary of a project that has no table for one: its name, and its script."""
    name = canonicalize_name(project_name) if project_name else "NAME"
    if project_name and len(scripts) == 1:
        return name, next(iter(scripts))
    names = sorted(scripts)
    found = f"{len(names)} scripts ({', '.join(names)}) to choose from" if names else "no script to make one from"
    problem = f"{file} has no [tool.nox-pex.binary.NAME] table, and {found}"
    line = f'script = "{_likely(name, names)}"' if names else 'entry-point = "MODULE:FUNCTION"'
    other = "" if names else ', or script = "…" for the script of a dependency'
    raise NoxPexError(
        "entry-missing", problem, f"add [tool.nox-pex.binary.{name}], and under it the line {line}{other}"
    )


def _likely(name: str, scripts: Sequence[str]) -> str:
    """The script that is called as the project is, or nearly; else the first one."""
    from difflib import get_close_matches  # noqa: PLC0415 (for an error alone)

    return next(iter(get_close_matches(name, scripts, n=1, cutoff=0.4)), scripts[0])


def is_declared(document: Mapping[str, Any], name: str) -> bool:
    """Whether a parsed `pyproject.toml` has a table for the binary `name` itself."""
    return name in document.get("tool", {}).get("nox-pex", {}).get("binary", {})


def _judge_unpacked(binary: Binary) -> None:
    if binary.layout != "zipapp":
        msg = '`image`: form = "unpacked" unpacks a file, and `layout` makes a directory; leave `layout` out'
        raise ValueError(msg)
    if binary.execution_mode != "venv" and not binary.include_tools:
        msg = '`image`: form = "unpacked" needs pex\'s tools in the binary; set include-tools = true'
        raise ValueError(msg)


def _judge_targets(binary: Binary) -> None:
    """Raise `ValueError` for what only the target's own Python could do while the binary is built."""
    for key, wanted in (("compile", binary.compile), ("validate-entry-point", binary.validate_entry_point)):
        if wanted:
            msg = f"`{key}`: it needs a target's own Python, and complete-platforms builds without; leave it out"
            raise ValueError(msg)


def _judge_version(key: str, version: str | None) -> None:
    if version is None:
        return
    try:
        Version(version)
    except InvalidVersion:
        msg = f'`{key}`: {version!r} is no version; write a whole one, such as "2.5.1"'
        raise ValueError(msg) from None


def _judge_constraint(constraint: str) -> None:
    try:
        valid = bool(constraint.strip()) and SpecifierSet(_IMPLEMENTATION.sub("", constraint, count=1)) is not None
    except InvalidSpecifier:
        valid = False
    if not valid:
        msg = (
            f"`interpreter-constraints`: {constraint!r} is no interpreter constraint; "
            'write one such as ">=3.10,<3.13" or "CPython>=3.11"'
        )
        raise ValueError(msg)


def _judge_requirement(requirement: str) -> None:
    try:
        Requirement(requirement)
    except InvalidRequirement:
        msg = f'`exclude`: {requirement!r} is no requirement; write the name of a distribution, such as "numpy"'
        raise ValueError(msg) from None


def _judge_pex_argument(argument: str) -> None:
    option = argument.partition("=")[0]
    if argument.startswith("@"):
        msg = f"`pex-args`: {argument!r} takes arguments from a file; write them here"
        raise ValueError(msg)
    for key, options in _COVERED.items():
        if _is_one_of(option, options):
            msg = f"`pex-args`: {option} fights the key {key}; use {key}"
            raise ValueError(msg)
    if _is_one_of(option, _OURS):
        msg = f"`pex-args`: {option} fights what nox-pex itself tells pex; leave it out"
        raise ValueError(msg)


def _is_one_of(option: str, options: Iterable[str]) -> bool:
    """Whether pex takes `option` for one of `options`; a short one may have its value right behind it (`-cserve`)."""
    short = option[:2] if not option.startswith("--") else option
    return option in options or short in options
