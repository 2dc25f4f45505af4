"""Find the Python of an image in its layers, without running it.

What is read is in the program itself, not in the database of a package manager: it is the same in Debian, Alpine,
python.org's builds and a Python that somebody compiled, and it is what the program would say.
Fact sources: CPython's `Python/dynload_shlib.c` (the suffixes of extension modules) and `Python/getversion.c`; PyPy's
`sys.version`; glibc's `csu/version.c`; musl's `ldso/dynlink.c`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.image.base import elf
from nox_pex.image.base.elf import Program
from nox_pex.image.base_image import ImagePython
from nox_pex.oci import root_tree
from nox_pex.oci.image import BaseImage
from nox_pex.oci.layer_stream import LayerError
from nox_pex.oci.root_tree import RootTree
from nox_pex.platforms.platform import Platform
from nox_pex.system import files
from nox_pex.tools.cache import Caches

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The PATH of a container if its image sets none (runc, Docker)."""


_SOABI: Final = re.compile(
    rb"\.(?P<abi>(?:cpython-|pypy)(?P<major>3)(?P<minor>[0-9]+)(?P<flags>[a-z]*)(?:-pp[0-9]+)?)(?:-[a-z0-9_-]+)?\.so\0"
)
"""Matches the suffix of extension modules, which every Python contains: `.cpython-311-x86_64-linux-gnu.so`."""


_LIBRARY: Final = re.compile(rb"(?<=\0)lib(?:python|pypy)3[a-z0-9.-]*\.so[.0-9]*(?=\0)")
"""Matches the name of the library that a small program needs, which is then the real Python."""


_GLIBC: Final = re.compile(rb"GNU C Library [^\n\0]{0,200}release version (2\.[0-9]+)")


_MUSL: Final = re.compile(rb"\0(1\.[0-9]+\.[0-9]+)[^\0 ]{0,40}\0")


_LARGEST: Final = 256 << 20
"""Bytes of programs or libraries that are read at the same time. The largest Python has 60 million."""


_MOST_FILES: Final = 16
"""Files that are read to find one of them: programs, libraries."""


_SHORT_RELEASE: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:(?:a|b|rc)[0-9]+)?")


class _Candidate(Struct, frozen=True):
    """A program that may be a Python: its path in the image, and the regular file that this leads to."""

    executable: str
    real: str


def python_of(base: BaseImage, *, minor: str | None, key: str, caches: Caches) -> ImagePython:
    """Return the Python of `base`: Python `minor` (`3.11`) if the image has it, else `python3` or `python` on its PATH.

    `key` is the dotted key of the setting that names the image. Raises `NoxPexError`: `image-python` if there is no
    Python, `image-base` if a layer cannot be read, or if the Python is for another architecture than the image.
    """
    path = _search_path(base)
    cached, entry = caches.of_images("trees") / f"{root_tree.key_of(base.layers)}.pythons.json", f"{minor or ''} {path}"
    known = files.read_json(cached)
    try:
        python = msgspec.convert(known.get(entry), ImagePython)
    except (msgspec.ValidationError, UnicodeError):
        python = _find(base, path, minor=minor, key=key, caches=caches)
        files.write_json(cached, {**known, entry: msgspec.structs.asdict(python)})
    _check_machine(base, python)
    return python


def _check_machine(base: BaseImage, python: ImagePython) -> None:
    if python.machine != base.platform.machine:
        problem = f"{base.name} says that it is for {base.platform}, but its Python is for {python.machine}"
        raise NoxPexError("image-base", problem, "choose another base, or have it built again for its platform")


def _search_path(base: BaseImage) -> str:
    values = (text.partition("=")[2] for text in base.config.container.env or () if text.startswith("PATH="))
    return next(values, _PATH)


def _find(base: BaseImage, path: str, *, minor: str | None, key: str, caches: Caches) -> ImagePython:
    tree = root_tree.tree_of(base.layers, image=base.name, caches=caches)
    commands = (*((f"python{minor}",) if minor else ()), "python3", "python")
    candidates = list(_candidates(tree, path, commands))
    try:
        found = _read_python(tree, candidates)
    except LayerError as error:
        raise NoxPexError("image-base", f"a layer of {base.name} {error}", "fetch it again") from error
    if isinstance(found, ImagePython):
        return found
    reason = found or f"there is none of {', '.join(commands)} in {path}"
    problem = f"the image {base.name} ({base.platform}) has no Python that can be found in its layers: {reason}"
    raise NoxPexError("image-python", problem, f"set {key} to an image that has one, such as python:{minor or 3}-slim")


def _candidates(tree: RootTree, path: str, commands: Iterable[str]) -> Iterator[_Candidate]:
    """Yield the programs with the names `commands` in the directories of `path`, the first command first."""
    directories = [directory for directory in path.split(":") if directory.startswith("/")]
    for command in commands:
        for directory in dict.fromkeys(directories):
            executable = f"{directory.rstrip('/')}/{command}"
            real = tree.resolve(executable)
            entry = tree.entries.get(real) if real else None
            if real and entry is not None and entry.kind == "file" and entry.mode & 0o111:
                yield _Candidate(executable, real)


def _read_python(tree: RootTree, candidates: list[_Candidate]) -> ImagePython | str:
    """Return the first of `candidates` that is a Python; or the reason why the first one is none, empty if none exists.

    Raises `LayerError`.
    """
    programs = tree.read_all(list(dict.fromkeys(each.real for each in candidates))[:_MOST_FILES], largest=_LARGEST)
    reasons: list[str] = []
    for candidate in candidates:
        data = programs.get(candidate.real, b"")
        program = elf.read(data)
        found = _describe(tree, candidate, data, program) if program is not None else _no_program(data)
        if isinstance(found, ImagePython):
            return found
        reasons.append(f"{candidate.executable} {found}")
    return reasons[0] if reasons else ""


def _no_program(data: bytes) -> str:
    return "is a script" if data.startswith(b"#!") else "is no program that nox-pex can read"


def _describe(tree: RootTree, candidate: _Candidate, data: bytes, program: Program) -> ImagePython | str:
    """Return the Python that a program is, or a phrase why it is none. Raises `LayerError`."""
    if program.loader and tree.file(program.loader) is None:
        return f"needs {program.loader}, which the image does not have"
    if not _SOABI.search(data):
        names = dict.fromkeys(match.decode("ascii") for match in _LIBRARY.findall(data))
        if not names:
            return "is not a Python"
        library = next((found for name in names if (found := _library(tree, candidate.real, name)) is not None), None)
        if library is None:
            return f"needs {next(iter(names))}, which the image does not have"
        data = tree.read(library, largest=_LARGEST) or b""
    abi = _SOABI.search(data)
    if abi is None:
        return "is a Python whose ABI is not known"
    minor = f"{int(abi['major'])}.{int(abi['minor'])}"
    version = _version(data, minor)
    if version is None:
        return f"is a Python {minor} whose release cannot be read"
    libc, libc_version = _libc(tree, program)
    return ImagePython(
        implementation="PyPy" if abi["abi"].startswith(b"pypy") else "CPython",
        version=version,
        abi=abi["abi"].decode("ascii").replace("-", "_"),
        gil=b"t" not in abi["flags"],
        machine=program.machine,
        libc=libc,
        libc_version=libc_version,
        executable=candidate.executable,
        has_shell=tree.resolve("/bin/sh") is not None,
    )


def _version(data: bytes, minor: str) -> str | None:
    """Return the version of the Python `minor` in its bytes, such as `3.11.7`; None if it is not there once.

    It is a separate string, or the end of one, because linkers join strings: PREFIX may end with the version.
    """
    expression = rb"(?<![0-9.])(%s\.[0-9]{1,3}(?:(?:a|b|rc)[0-9]{1,3})?\+?)(?:\0| \()" % re.escape(minor.encode())
    found = {match[1]: data[match.start() - 1 : match.start()] == b"\0" for match in re.finditer(expression, data)}
    alone = [version for version, is_alone in found.items() if is_alone]
    best = alone or list(found)
    return best[0].decode("ascii") if len(best) == 1 else None


def _library(tree: RootTree, real: str, name: str) -> str | None:
    """Return the path of the library `name`: next to the program's prefix, else where else it is in the image."""
    prefix = real.rpartition("/")[0].rpartition("/")[0]
    for directory in (f"{prefix}/lib", real.rpartition("/")[0], "usr/local/lib", "usr/lib", "lib", "usr/lib64"):
        if tree.file(f"{directory}/{name}") is not None:
            return f"{directory}/{name}"
    found = sorted(path for path in tree.entries if path.endswith(f"/{name}") and tree.file(path) is not None)
    return found[0] if found else None


def _libc(tree: RootTree, program: Program) -> tuple[str, str]:
    """Return the name and the version of the libc that a program is started with; empty if there is none.

    Raises `LayerError`.
    """
    if not program.loader:
        return "", ""
    if "/ld-musl" in program.loader:
        return "musl", _first(_MUSL, [tree.read(program.loader, largest=_LARGEST) or b""])
    directory = (tree.resolve(program.loader) or "").rpartition("/")[0]
    paths = [f"{directory}/libc.so.6", *(path for path in tree.entries if path.endswith("/libc.so.6"))]
    near = [path for path in dict.fromkeys(paths) if tree.file(path) is not None][:_MOST_FILES]
    libraries = tree.read_all(near, largest=_LARGEST)
    fitting = [data for path in near if (data := libraries.get(path, b"")) and _machine(data) == program.machine]
    return "glibc", _first(_GLIBC, fitting)


def _machine(data: bytes) -> str | None:
    program = elf.read(data)
    return program.machine if program is not None else None


def _first(expression: re.Pattern[bytes], texts: Iterable[bytes]) -> str:
    return next((match[1].decode("ascii") for data in texts if (match := expression.search(data))), "")


def platform_of(python: ImagePython, name: str) -> Platform:
    """Return the tags and markers of `python`, as `nox -s platform` prints them there; `name` is for messages.

    PyPy's own version, `implementation_version`, is not known: it is the version of the language.
    """
    match = _SHORT_RELEASE.match(python.version)
    version = match[0] if match is not None else python.version  # a development version has a `+` at its end
    markers: Mapping[str, str] = {
        "implementation_name": python.implementation.lower(),
        "implementation_version": version,
        "os_name": "posix",
        "platform_machine": python.machine,
        "platform_python_implementation": python.implementation,
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": version,
        "python_version": python.minor,
        "sys_platform": "linux",
    }
    return Platform(name=name, tags=tuple(map(str, python.ordered_tags())), markers=markers)
