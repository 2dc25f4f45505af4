"""The project's own files: which of them ship, which of them a build could read, and what is in them.

All names are POSIX paths from the project's directory. A name that is no UTF-8 is carried as `os.fsdecode` gives it.
Fact sources: git-ls-files(1), gitignore(5) for the patterns, PEP 405 (pyvenv.cfg).
"""

from __future__ import annotations

import glob
import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.system.git import Git
from nox_pex.system.wording import nearest

_CACHES: Final = frozenset({"__pycache__", "__pypackages__", "node_modules"})


_ENVIRONMENTS: Final = ("pyvenv.cfg", "conda-meta")
"""A directory that holds one of these is a virtual environment, or conda's."""


_SETUPTOOLS_OUTPUT: Final = re.compile(r"build/(lib|bdist|temp)[^/]*$")
"""What setuptools leaves beside the sources: the first build would count as a change for the second."""


_PROJECT_FILES: Final = frozenset({"pyproject.toml", "poetry.lock", "poetry.toml"})


_BUILT: Final = (".pyc", ".pyo", ".pex")


_MODULES: Final = (".py", ".pyi", ".so")


_TEST_DIRECTORIES: Final = frozenset({"tests", "test"})


_TEST_MODULES: Final = frozenset({"tests.py", "conftest.py"})


_OTHER_DIRECTORIES: Final = frozenset({"docs", "doc", "build", "dist"})


_OTHER_MODULES: Final = frozenset({"noxfile.py", "setup.py"})


_KEYS: Final = frozenset({"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"})


_KEY_ENDINGS: Final = (".pem", ".key", ".p12", ".pfx")


_FAMILIAR: Final = (
    *("*.md", "*.rst", "*.lock", "*.log", "*.iml", "README*", "LICEN[CS]E*", "COPYING*", "NOTICE*", "AUTHORS*"),
    *("CHANGE*", "CODEOWNERS", "MANIFEST.in", "Makefile", "GNUmakefile", "justfile", "Justfile", "Procfile"),
    *("Dockerfile*", "Containerfile*", "*compose*.y*ml", "requirements*.txt", "constraints*.txt", "setup.cfg"),
    *("tox.ini", "pytest.ini", "mypy.ini", "ruff.toml", "mkdocs.yml", "codecov.yml", "package.json"),
)
"""Files at the root that nobody expects in a binary, so that leaving them out is not worth a word."""


_CHUNK: Final = 1 << 18
"""Bytes that are read at a time."""


class LeftOut(Struct, frozen=True, kw_only=True):
    """A file or directory (with a final slash) that does not ship, and the line of settings that would take it in."""

    path: str
    line: str

    def __str__(self) -> str:
        return f"{self.path} (to take it in: {self.line})"


class SourceSelection(Struct, frozen=True, kw_only=True, dict=True):
    """The files that ship, sorted; `omitted` are those that a person may expect among them."""

    files: tuple[str, ...]
    omitted: frozenset[str]

    @cached_property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What to tell of it: directories and files at the root, and single files of packages that do ship."""
        return _left_out(self.omitted, {_top(name) for name in self.files})


def select(
    root: Path, *, include: Sequence[str], exclude: Sequence[str], output_dir: Path, key: str = "sources"
) -> SourceSelection:
    """Which files of the `package-mode = false` project in `root` ship.

    By default the modules and packages at the root with the data inside them, as Git would commit them; no tests, no
    documentation, no build output, no private keys, no other project that lies within (a path dependency). `include`
    adds to that, even what Git ignores; `exclude` takes away. Both are patterns as in a `.gitignore`. Some things never
    ship: hidden files, virtual environments, caches, built binaries, what is in `output_dir`, the project's own
    `pyproject.toml` and lock, links that lead out of `root`.
    Raises `NoxPexError("source-missing")` where a pattern of `include` matches nothing; `key` is the dotted key of the
    table that it stands in.
    """
    tree = _Tree.of(root, output_dir)
    listed = Git(root=root).files()
    committed = tree.shippable(tree.walk() if listed is None else listed)
    others = _other_projects(committed)
    default = {
        name for name in committed if not _left_out_by_default(name) and others.isdisjoint(_directories_above(name))
    }
    packages = {_top(name) for name in default if name.endswith(".py") and _top(name).isidentifier()}
    taken = {name for name in default if (_top(name) in packages if "/" in name else name.endswith(_MODULES))}
    if include:
        present = committed | tree.shippable(tree.walk())
        for pattern in include:
            matching = _matching(pattern, present)
            if not matching:
                raise _nothing_matches(pattern, root, present, key=f"{key}.include")
            taken |= matching
    excluded = {name for pattern in exclude for name in _matching(pattern, committed | taken)}
    taken -= excluded
    keys = {name for name in committed if _top(name) in packages and _is_key(name)}
    return SourceSelection(files=tuple(sorted(taken)), omitted=frozenset((default | keys) - taken - excluded))


def project_files(root: Path, *, output_dir: Path, extra: Sequence[str]) -> tuple[str, ...]:
    """All files that a build backend could read in the packaged project in `root`, sorted.

    What Git lists; all that lies in a directory at the root with Python code in it, ignored by Git or not, since a
    package may hold generated files; modules at the root; and what matches the patterns `extra`. Without Git, all
    files. Never what is in virtual environments, caches or `output_dir`; in hidden directories only what Git lists.
    """
    tree = _Tree.of(root, output_dir)
    listed = Git(root=root).files()
    if listed is None:
        return tuple(sorted(name for name in tree.walk(follow=True) if tree.is_file(name)))
    names = {name for name in listed if not tree.in_output(name)}
    tops = {_top(name) for name in names if "/" in name and name.endswith(".py")}
    # a submodule, another repository, or a link to a directory is one entry for Git
    tops |= {name.rstrip("/") for name in names if tree.is_directory(name)}
    names |= {name for top in tops if tree.is_open(top) for name in tree.walk(top, follow=True)}
    names |= {name for name in os.listdir(root) if name.endswith(_MODULES)}  # noqa: PTH208  # names, not paths
    if extra:
        present = set(tree.walk(follow=True))
        names |= {name for pattern in extra for name in _matching(pattern, present)}
    return tuple(sorted(name for name in names if tree.is_file(name)))


def ignored(root: Path, paths: Iterable[str]) -> frozenset[str]:
    """Those of `paths` that Git ignores; none where there is no Git."""
    listed = Git(root=root).files()
    return frozenset() if listed is None else frozenset(paths).difference(listed)


def digests(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """A digest (BLAKE2b, 128 bits) of each file's content and of whether its owner may execute it, by its path.

    A link counts as the file that it leads to. Raises `NoxPexError("source-missing")` where a file cannot be read.
    """
    return {path: _digest(root, path) for path in paths}


def _digest(root: Path, path: str) -> str:
    try:
        with io.FileIO(f"{root}/{path}") as file:
            executable = os.fstat(file.fileno()).st_mode & stat.S_IXUSR
            hasher = hashlib.blake2b(b"x" if executable else b"-", digest_size=16)
            while chunk := file.read(_CHUNK):
                hasher.update(chunk)
    except OSError as error:
        problem = f"cannot read {path} in {root}: {error.strerror}"
        raise NoxPexError("source-missing", problem, "make it readable, or leave it out") from error
    return hasher.hexdigest()


class _Tree(Struct, frozen=True, kw_only=True):
    """The directory `root` (real, absolute). `output` is the output directory in it, None where it lies elsewhere."""

    root: str
    output: str | None
    _open: dict[str, bool] = {}

    @classmethod
    def of(cls, root: Path, output_dir: Path) -> _Tree:
        real = root.resolve()
        output = (real / output_dir).resolve()
        inside = output != real and output.is_relative_to(real)
        return cls(root=str(real), output=output.relative_to(real).as_posix() if inside else None)

    def walk(self, top: str = "", *, follow: bool = False) -> Iterator[str]:
        """All entries under `top` that are no directories, but for closed directories (`is_open`).

        A link to a directory is an entry, or, with `follow`, a directory; one that leads back up is passed over.
        """
        if not follow:
            return self._walk(top, None)
        above = {self.root, *map(str, Path(self.root).parents)}
        real = os.path.realpath(f"{self.root}/{top}")
        return iter(()) if top and real in above else self._walk(top, above | {real})

    def _walk(self, top: str, seen: set[str] | None) -> Iterator[str]:
        try:
            entries = list(os.scandir(f"{self.root}/{top}"))
        except OSError:  # gone, or closed to us: to the build as well
            return
        for entry in entries:
            name = f"{top}/{entry.name}" if top else entry.name
            if not entry.is_dir(follow_symlinks=False):
                if seen is None or not entry.is_symlink() or not entry.is_dir():
                    yield name
                    continue
                real = os.path.realpath(entry.path)
                if real in seen:
                    continue
                seen = seen | {real}
            if self.is_open(name):
                yield from self._walk(name, seen)

    def is_open(self, directory: str) -> bool:
        """Whether a directory, and each above it, may hold sources: not hidden, no cache, environment or output."""
        if not directory:
            return True
        known = self._open.get(directory)
        if known is None:
            above, _, name = directory.rpartition("/")
            known = self._open[directory] = (
                not name.startswith(".")
                and name not in _CACHES
                and not name.endswith(".egg-info")
                and directory != self.output
                and not _SETUPTOOLS_OUTPUT.match(directory)
                and self.is_open(above)
                and not any(os.path.lexists(f"{self.root}/{directory}/{marker}") for marker in _ENVIRONMENTS)
            )
        return known

    def in_output(self, name: str) -> bool:
        return self.output is not None and name.startswith(f"{self.output}/")

    def is_directory(self, name: str) -> bool:
        return stat.S_ISDIR(self._mode(name))

    def is_file(self, name: str) -> bool:
        return stat.S_ISREG(self._mode(name)) and not name.endswith(_BUILT[:2])

    def _mode(self, name: str) -> int:
        """The mode of what `name` leads to; 0 where that is nothing."""
        try:
            return os.stat(f"{self.root}/{name}").st_mode  # noqa: PTH116  # 10,000 of them
        except OSError:
            return 0

    def shippable(self, entries: Iterable[str]) -> set[str]:
        """The files among `entries` that may ship at all; a link to a directory in the tree stands for its files."""
        files: set[str] = set()
        links: dict[str, str] = {}  # to where in the tree they lead
        for name in filter(self._may_ship, entries):
            try:
                mode = os.lstat(f"{self.root}/{name}").st_mode
            except OSError:  # in Git's index only
                continue
            if stat.S_ISREG(mode):
                files.add(name)
            elif stat.S_ISLNK(mode) and (target := self._link_target(name)):
                links[name] = target
        linked = {name for name, target in links.items() if target in files}
        for name, target in links.items():
            if self.is_directory(target):
                inside = (file[len(target) :] for file in files if file.startswith(f"{target}/"))
                linked |= {name + path for path in inside if self._may_ship(name + path)}
        return files | linked

    def _may_ship(self, name: str) -> bool:
        above, _, last = name.rpartition("/")
        return (
            not last.startswith(".")
            and not last.endswith(_BUILT)
            and name not in _PROJECT_FILES
            and self.is_open(above)
        )

    def _link_target(self, name: str) -> str | None:
        """Where in the tree a link leads; None where it leads out of it, or to a directory above itself."""
        target = os.path.realpath(f"{self.root}/{name}")
        inside = target.startswith(f"{self.root}/") and not f"{self.root}/{name}".startswith(f"{target}/")
        return target[len(self.root) + 1 :] if inside else None


def _other_projects(names: Iterable[str]) -> set[str]:
    """The directories that are projects of their own; one inside a package is that package's data, a template, say."""
    packages = {name.removesuffix("/__init__.py") for name in names if name.endswith("/__init__.py")}
    projects = {name.rpartition("/")[0] for name in names if name.endswith(("/pyproject.toml", "/setup.py"))}
    return {project for project in projects if packages.isdisjoint([project, *_directories_above(project)])}


def _directories_above(name: str) -> Iterator[str]:
    """The directories that a file or directory lies in, below the root."""
    while name := name.rpartition("/")[0]:
        yield name


def _left_out_by_default(name: str) -> bool:
    *directories, last = name.split("/")
    return (
        not _TEST_DIRECTORIES.isdisjoint(directories)
        or last in _TEST_MODULES
        or (last.endswith(".py") and (last.startswith("test_") or last.endswith("_test.py")))
        or (directories[0] in _OTHER_DIRECTORIES if directories else name in _OTHER_MODULES)
        or _is_key(name)
    )


def _is_key(name: str) -> bool:
    """Whether a file is a private key by its name. It may be a public certificate: then `include` names it."""
    return name.endswith(_KEY_ENDINGS) or name.rpartition("/")[2] in _KEYS


def _is_any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _top(name: str) -> str:
    """The directory at the root that a file lies in; the file itself where it lies at the root."""
    return name.partition("/")[0]


def _left_out(names: Iterable[str], taken_tops: set[str]) -> tuple[LeftOut, ...]:
    told = set()
    for name in names:
        top = _top(name)
        if top != name and top not in taken_tops:
            told.add(f"{top}/")
        elif (top != name and _is_key(name)) or (top == name and not _is_any(name, _FAMILIAR)):
            told.add(name)
    return tuple(LeftOut(path=path, line=f"sources.include = [{_toml(glob.escape(path))}]") for path in sorted(told))


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _matching(pattern: str, names: Iterable[str]) -> set[str]:
    """The files among `names` that `pattern` matches, by itself or by a directory above, as in a `.gitignore`."""
    segments = [segment for segment in pattern.split("/") if segment not in {"", "."}]
    if "/" not in pattern.rstrip("/"):  # only a slash before or within it ties it to the root
        segments.insert(0, "**")
    if pattern.endswith("/"):  # a directory: what is in it, not a file of that name
        segments.append("**")
    return {name for name in names if _covers(segments, name.split("/"))}


def _covers(segments: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a pattern matches a path, or a directory above it, segment by segment."""
    if not segments:
        return True
    if segments[0] == "**":
        return any(_covers(segments[1:], parts[skipped:]) for skipped in range(len(parts)))
    return bool(parts) and fnmatchcase(parts[0], segments[0]) and _covers(segments[1:], parts[1:])


def _nothing_matches(pattern: str, root: Path, present: Iterable[str], *, key: str) -> NoxPexError:
    problem = f"{key}: {_toml(pattern)} matches no file in {root}"
    if os.path.lexists(root / pattern.strip("/")):
        never = "hidden files, caches, environments, built files, project files and links out of the project never ship"
        return NoxPexError("source-missing", f"{problem} that may ship", f"remove it: {never}")
    known = {f"{name[:end]}/" for name in present for end in range(len(name)) if name[end] == "/"} | set(present)
    near = nearest(pattern, known)
    return NoxPexError("source-missing", problem, f"use {_toml(near)}" if near else "correct or remove the pattern")
