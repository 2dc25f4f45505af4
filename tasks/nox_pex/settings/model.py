"""The tables of `[tool.nox-pex]` as frozen typed values. The string below a key describes it.

A rule that no type expresses is in `_broken_rules`. It yields the text "`key`: problem; remedy", which `explain` turns
into the line for the user.
"""

# Without `from __future__ import annotations`: msgspec would compile the text of each annotation in every run.

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, ClassVar, Final, Literal

import msgspec
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from nox_pex.settings import names, pex_args, toml_text
from nox_pex.settings.attest import Attest
from nox_pex.settings.image import Image
from nox_pex.settings.sbom import Sbom
from nox_pex.settings.smoke import Budget, Smoke
from nox_pex.settings.table import Table
from nox_pex.system.lazy import pattern

_IMPLEMENTATION: Final = pattern(r"CPython(?:\+t|-t|\[free-threaded\]|\[gil\])?|PyPy|")
"""The optional beginning of an interpreter constraint (pex's `InterpreterImplementation`)."""


_FIRST_WITH_SCIES: Final = Version("2.80.0")
"""The first pex with `pex3 scie create`, which makes scies of a finished PEX (pex's CHANGES.md)."""


class Sources(Table, frozen=True, kw_only=True):
    """The files of the project that ship. The patterns add to the default, or remove from it.

    All paths are from the project's directory. A file below `root` loses that prefix in the binary.
    """

    root: str | None = None
    """The directory of the modules and packages, such as `"src"`, relative to the project's directory, which is the
    default.
    """
    include: tuple[str, ...] = ()
    """Patterns of additional files that ship, even if Git ignores them, such as `templates/`."""
    exclude: tuple[str, ...] = ()
    """Patterns of files that do not ship, such as `app/legacy/`."""

    @property
    def below(self) -> str:
        """`root` as a POSIX path without a final slash; empty for the project's directory."""
        path = PurePosixPath(self.root or "").as_posix()
        return "" if path == "." else path

    def _broken_rules(self) -> Iterator[str]:
        if self.root is not None and (not self.root or self.root.startswith("/") or ".." in self.root.split("/")):
            msg = f'`root`: {self.root!r} is no directory inside the project; write a relative path such as "src"'
            yield msg
        for key, patterns in (("include", self.include), ("exclude", self.exclude)):
            for text in patterns:
                if not text.strip("/"):
                    msg = f'`{key}`: {text!r} does not name a file; write a pattern such as "templates/"'
                    yield msg
                if text.startswith("!"):
                    other = "exclude" if key == "include" else "include"
                    msg = f"`{key}`: {text!r} must not begin with `!`; write {text[1:]!r} under {other}"
                    yield msg


class Binary(Table, frozen=True, kw_only=True):
    """A binary: what it runs and contains, and how it starts and is checked. pex's options have pex's names."""

    example: ClassVar[str] = '{ script = "uvicorn" }'

    # exactly one of these three
    script: str | None = None
    """A script of the project or of a dependency: a console script, a GUI script, or a file that is installed to `bin`.
    Set exactly one of `script`, `entry-point` and `executable`.
    """
    entry_point: str | None = None
    """A module, or a function in a module, instead of `script`: `module` or `module:function`."""
    executable: str | None = None
    """A Python script file, relative to the project's directory, instead of `script`."""

    inject_args: tuple[str, ...] = ()
    """Arguments that the binary puts before those of its command line."""
    inject_env: dict[str, str] = {}
    """Environment variables that the binary sets; anybody can read them in the file, so never put secrets here."""
    inject_python_args: tuple[str, ...] = ()
    """Arguments for the Python interpreter, such as `"-u"`."""
    groups: tuple[str, ...] | None = None
    """The dependency groups of this binary; the default is the project's `groups`."""
    extras: tuple[str, ...] | None = None
    """The extras of this binary; the default is the project's `extras`."""
    sources: Sources = Sources()
    """Which files of the project ship."""

    layout: Literal["zipapp", "packed", "loose"] = "zipapp"
    """`"zipapp"`: one file; `"packed"`: a directory of zip files; `"loose"`: a directory of plain files, with one
    digest of its whole tree in the build record. Above 2 GB only `"packed"` starts on every Python.
    """
    execution_mode: Literal["venv", "zipapp"] = "venv"
    """`"venv"`: the first start creates a virtual environment in the cache of the PEX; `"zipapp"`: the program imports
    from the unpacked files. It decides how long [cold starts](benchmarks.md#cold-starts-what-to-choose) take.
    """
    sh_boot: bool = True
    """Start with `/bin/sh`, which finds the cached virtual environment at once."""
    compress: bool = True
    """Compress the file: it is smaller, and the build is slower."""
    compile: bool = False
    """Ship bytecode too: the binary starts a little faster, but two builds no longer give the same bytes."""
    pre_install_wheels: bool | None = None
    """Store distributions as they are installed; `false` stores wheels, which is faster to build. By default they are
    stored as installed if the file then has at most 65,535 members (files and directories); no Python before 3.13
    starts a file with more.
    """
    max_install_jobs: Annotated[int, msgspec.Meta(ge=-1)] = 1
    """The number of parallel installs at the first start; `0`: one for each CPU; `-1`: pex decides."""

    interpreter_constraints: tuple[str, ...] = ()
    """The Pythons that the binary may run on, such as `">=3.11,<3.13"` or `"CPython>=3.11"`; the default is the minor
    version that it was built for.
    """
    python_shebang: str | None = None
    """The first line of the file, after `#!`; the default names the Python that the binary was built for; with
    `sh-boot` it is only a fallback.
    """
    strip_pex_env: bool = True
    """Remove `PEX_*` variables from the environment before the program starts."""
    emit_warnings: bool = True
    """Let pex print warnings at run time."""
    include_tools: bool = False
    """Ship pex's tools (`PEX_TOOLS=1 ./service.pex`)."""
    venv_copies: bool = False
    """Copy the interpreter into the virtual environment, instead of linking to it."""
    venv_site_packages_copies: bool = False
    """Copy distributions into the virtual environment, instead of linking to them."""
    venv_hermetic_scripts: bool = True
    """The binary's Python ignores `PYTHONPATH`, every other `PYTHON*` variable of the interpreter, such as
    `PYTHONUNBUFFERED`, and the user's site-packages.
    """
    venv_bin_path: Literal["prepend", "append"] | None = None
    """Put the scripts of the virtual environment first or last on `PATH`, so that the binary can start them. By default
    `PATH` stays as it is.
    """
    runtime_pex_root: str | None = None
    """The directory that the binary unpacks itself into. The default is pex's, which `PEX_ROOT` changes."""
    validate_entry_point: bool = False
    """Import the entry point in the new binary before it replaces the previous one."""
    check: Literal["none", "warn", "error"] = "error"
    """If the file is too large for some Pythons to start, pex says nothing, warns or fails."""
    exclude: tuple[str, ...] = ()
    """Distributions to leave out, as requirements, such as `"numpy"`."""
    complete_platforms: tuple[str, ...] = ()
    """Files that describe the target [platforms](platforms.md), relative to the project's directory; the default is the
    session's Python on this machine.
    """
    scie: Literal["eager", "lazy"] | None = None
    """Build a [scie](scie.md) too, an executable with Python inside, such as `dist/NAME-linux-x86_64`. The Python is in
    the file (`"eager"`), or is downloaded at the first start (`"lazy"`). By default none is built.
    """
    pex_args: tuple[str, ...] = ()
    """Any other pex options. An option that has a key in this table, or that nox-pex itself passes to pex, is refused,
    and so is its beginning.
    """

    smoke: Smoke | None = None
    """How the smoke test launches and checks the binary. The session `smoke` needs it; there is no default."""
    budget: Budget = Budget()
    """Upper limits for size, boot time and memory."""
    image: Image | None = None
    """The container image. The session `image` needs it; there is no default."""

    @property
    def entry(self) -> dict[str, str]:
        """The keys that say what it runs, with their values: exactly one, or the table is refused."""
        kinds = {"script": self.script, "entry-point": self.entry_point, "executable": self.executable}
        return {key: value for key, value in kinds.items() if value is not None}

    @property
    def source_paths(self) -> tuple[str, ...]:
        """The files, directories and patterns that it names as sources, relative to the project's directory."""
        named = (self.executable, self.sources.root, *self.sources.include)
        return tuple(name.lstrip("/") for name in named if name)

    def _broken_rules(self) -> Iterator[str]:
        yield from _check_entry(self)
        for constraint in self.interpreter_constraints:
            yield from _check_constraint(constraint)
        for name in self.inject_env:
            yield from _check_variable(name)
        for requirement in self.exclude:
            yield from _check_requirement(requirement)
        yield from pex_args.broken_rules(self.pex_args, has_scie=self.scie is not None)
        if self.scie is not None and self.layout != "zipapp":
            msg = f'`scie`: it holds a PEX that is one file, and layout = "{self.layout}" is a directory; remove layout'
            yield msg
        if self.image is not None and self.image.form == "unpacked":
            yield from _check_unpacked(self)
        if self.complete_platforms:
            yield from _check_targets(self)


class Settings(Table, frozen=True, kw_only=True):
    """How nox-pex turns a Poetry project into PEX files, and proves that they work."""

    poetry_version: str | None = None
    """The Poetry version. It is installed without hashes. The default is the version that nox-pex pins."""
    pex_version: str | None = None
    """The pex version. It is installed without hashes. The default is the version that nox-pex pins."""
    output_dir: Path = msgspec.field(default_factory=lambda: Path("dist"))  # the schema cannot have a path as a default
    """The directory for the results, relative to the project's directory; nothing in it ever ships. It may be outside
    of the project (`../../dist`), but not the project's directory or one above it, a directory of the system, `.git`,
    `.nox`, or a directory that holds sources.
    """
    groups: tuple[str, ...] = ("main",)
    """The dependency groups that ship."""
    extras: tuple[str, ...] = ()
    """The project's extras that ship."""
    secrets: tuple[str, ...] = ()
    """More environment variables whose values are [secret](secrets.md#what-counts-as-a-secret). nox-pex already masks
    those whose name says so (TOKEN, SECRET, PASSWORD, KEY, CREDENTIAL, COOKIE, AUTHORIZATION …), but no value under
    five characters.
    """
    extends: str | None = None
    """A TOML file with [settings for several projects](monorepo.md#settings-for-all), relative to the file with this
    key. By default there is none.
    """
    attest: Attest = Attest()
    """The content of the [statements](evidence.md) about the binaries."""
    sbom: Sbom = Sbom()
    """The policy for [licences](sbom.md#licences)."""
    binary: dict[str, Binary] = {}
    """The binaries, by name."""

    def _broken_rules(self) -> Iterator[str]:
        for key, version in (("poetry-version", self.poetry_version), ("pex-version", self.pex_version)):
            yield from _check_version(key, version)
        yield from _check_output_dir(self.output_dir)
        for name in self.binary:
            if problem := names.problem_with(name):
                yield _about_binary(name, problem)
        for name, problem in names.collisions(self.binary):
            yield _about_binary(name, problem)
        if self.pex_version is not None and _is_before(self.pex_version, _FIRST_WITH_SCIES):
            for name, binary in self.binary.items():
                if binary.scie is not None:
                    problem = f"pex {self.pex_version} cannot make the scie of {name}"
                    msg = f"`pex-version`: {problem}; write {_FIRST_WITH_SCIES} or later, or remove scie"
                    yield msg


def _check_output_dir(directory: Path) -> Iterator[str]:
    """Yield what is wrong with the text of `output-dir`; `project.output_dir` checks the directory itself."""
    if directory == Path():
        msg = '`output-dir`: it must not be the directory of the project; write another one, such as "dist"'
        yield msg
    elif not str(directory).isprintable():
        msg = f'`output-dir`: {str(directory)!r} has a control character; write a plain path, such as "dist"'
        yield msg
    elif str(directory).startswith("~"):
        msg = f'`output-dir`: {str(directory)!r} begins with `~`, which nothing replaces; write a path, such as "dist"'
        yield msg


def _about_binary(name: str, problem: str) -> str:
    """Return a broken rule about the table of a binary; about all of them if its name cannot be in a rule."""
    key = toml_text.toml_key(name)
    return f"`binary`: {problem}" if "`" in key else f"`binary.{key}`: {problem}"


def _check_entry(binary: Binary) -> Iterator[str]:
    """Yield what is wrong unless the binary has exactly one entry, and that is not empty."""
    given = binary.entry
    if len(given) != 1:
        remedy = "keep one" if given else 'add one, such as script = "…"'
        msg = f"expected exactly one of script, entry-point, executable, got {' and '.join(given) or 'none'}; {remedy}"
        yield msg
    elif empty := [key for key, value in given.items() if not value]:
        msg = f"`{empty[0]}`: it is empty; name what the binary runs"
        yield msg


def _check_unpacked(binary: Binary) -> Iterator[str]:
    """Yield what is wrong if an image cannot have the binary in the form `unpacked`."""
    if binary.layout != "zipapp":
        makes = f'layout = "{binary.layout}" makes a directory'
        msg = f'`image`: form = "unpacked" needs a PEX that is one file, and {makes}; remove layout'
        yield msg
    if binary.execution_mode != "venv" and not binary.include_tools:
        msg = '`image`: form = "unpacked" needs pex\'s tools in the binary; write include-tools = true'
        yield msg


def _check_targets(binary: Binary) -> Iterator[str]:
    """Yield what is wrong with an option that needs the Python of the target while the binary is built."""
    for key, wanted in (("compile", binary.compile), ("validate-entry-point", binary.validate_entry_point)):
        if wanted:
            msg = f"`{key}`: it needs the target's Python, and complete-platforms builds without it; remove {key}"
            yield msg


def _check_version(key: str, version: str | None) -> Iterator[str]:
    if version is None:
        return
    try:
        Version(version)
    except ValueError:  # `InvalidVersion` is one, and so is the error for a number of over 4,300 digits
        msg = f'`{key}`: {version!r} is not a version; write a full one, such as "2.5.1"'
        yield msg


def _is_before(version: str, other: Version) -> bool:
    """Whether `version` is before `other`; a text that is not a version is not."""
    try:
        return Version(version) < other
    except ValueError:
        return False


def _check_variable(name: str) -> Iterator[str]:
    if not name or "=" in name:
        msg = f"`inject-env`: {name!r} is not a name of an environment variable; write one such as LOG_LEVEL"
        yield msg


def _check_constraint(constraint: str) -> Iterator[str]:
    try:
        valid = bool(constraint.strip()) and SpecifierSet(_IMPLEMENTATION.sub("", constraint, count=1)) is not None
    except ValueError:  # `InvalidSpecifier` is one
        valid = False
    if not valid:
        msg = (
            f"`interpreter-constraints`: {constraint!r} is not an interpreter constraint; "
            'write one such as ">=3.10,<3.13" or "CPython>=3.11"'
        )
        yield msg


def _check_requirement(requirement: str) -> Iterator[str]:
    try:
        Requirement(requirement)
    except ValueError:  # `InvalidRequirement` is one
        msg = f'`exclude`: {requirement!r} is not a requirement; write the name of a distribution, such as "numpy"'
        yield msg
