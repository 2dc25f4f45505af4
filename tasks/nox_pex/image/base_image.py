"""The base image: fetch it, and find out which Python it has.

Fact sources: podman-run(1) for exit statuses; PEP 425 and PEP 600 for the tags of wheels.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from packaging import tags

from nox_pex.errors import NoxPexError
from nox_pex.image.engine import Engine
from nox_pex.system import files
from nox_pex.system.command import Outcome, Shell

QUESTION: Final = """\
import glob, json, os, platform, re, subprocess, sys, sysconfig
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION").split() or ["", ""]
except (AttributeError, OSError, ValueError):
    libc = ["", ""]
for loader in [] if libc[0] else glob.glob("/lib/ld-musl-*.so.1"):
    said = subprocess.Popen([loader], stderr=subprocess.PIPE).communicate()[1].decode()
    libc = ["musl", (re.findall("Version ([0-9.]+)", said) or [""])[0]]
soabi = (sysconfig.get_config_var("SOABI") or "").split("-")
print(json.dumps({
    "implementation": platform.python_implementation(),
    "version": platform.python_version(),
    "abi": "_".join(soabi[:2]),
    "gil": not sysconfig.get_config_var("Py_GIL_DISABLED"),
    "machine": platform.machine(),
    "libc": libc[0],
    "libc_version": libc[1],
    "executable": sys.executable,
    "has_shell": os.path.exists("/bin/sh"),
}))
"""
"""Prints the fields of an `ImagePython` as JSON, on any Python since 3.5, with the standard library alone."""


_WARNINGS: Final = re.compile(r"\A[^\[{].*?(?=^[\[{])", re.MULTILINE | re.DOTALL)
"""Lines that an engine may print before its JSON."""


_SHORT_NAMES: Final = {"PyPy": "pp"}
"""The names of interpreters in the tags of wheels, other than `cp` (PEP 425)."""


_SHOWN: Final = 200
"""Characters of a wrong answer that are shown."""


_NO_SUCH_PROGRAM: Final = 127
"""The exit status of `run` if the container has no such program (podman-run(1))."""


_ENGINE_FAILED: Final = (125, 126)
"""The exit statuses of `run` if the engine failed, or could not start the program (podman-run(1))."""


_FOREIGN_ARCHITECTURE: Final = "exec format error"
"""The kernel's message for a program of another architecture."""


_LEGACY_TAGS: Final = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""Minor versions of glibc 2, and the older name of the platform tag (PEP 600)."""


_OLDEST_GLIBC: Final = 5
"""The minor version of the oldest glibc 2 that wheels are for, on x86 (PEP 513)."""


_OLDEST_GLIBC_ELSEWHERE: Final = 17
"""The same on all other machines (PEP 599)."""


class ImagePython(Struct, frozen=True, kw_only=True):
    """The Python in an image, and its system.

    `libc` is `glibc`, `musl` or empty. `executable` is Python's path in the image. `has_shell` is whether the image has
    a `/bin/sh`.
    """

    implementation: str
    version: Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+[^\s]*\Z")]
    abi: str
    gil: bool
    machine: str
    libc: str
    libc_version: str
    executable: str
    has_shell: bool

    def __str__(self) -> str:
        libc = f"{self.libc} {self.libc_version}" if self.libc else "unknown libc"
        return f"{self.implementation} {self.version}{'' if self.gil else ' without GIL'}, {libc}, {self.machine}"

    @property
    def minor(self) -> str:
        """Major and minor version: `3.11`."""
        return ".".join(self.version.split(".")[:2])

    @property
    def libc_minor(self) -> int:
        """The minor version of the libc: 36 for glibc 2.36, 0 if it is not known."""
        _, _, rest = self.libc_version.partition(".")
        digits = rest.partition(".")[0]
        return int(digits) if digits.isdecimal() else 0

    def ordered_tags(self) -> tuple[tags.Tag, ...]:
        """Return the tags of the wheels that can be installed there, the most specific first, as `packaging` does."""
        major, minor = (int(part) for part in self.minor.split("."))
        platforms = list(self._platforms())
        if self.implementation == "CPython":
            interpreter = f"cp{major}{minor}"
            abi = f"{interpreter}{'' if self.gil else 't'}"
            native = tags.cpython_tags((major, minor), [abi], platforms)
        else:
            short = _SHORT_NAMES.get(self.implementation, self.implementation.lower())
            native = tags.generic_tags(f"{short}{major}{minor}", [self.abi], platforms)
            interpreter = f"{short}{major}"
        return tuple(dict.fromkeys((*native, *tags.compatible_tags((major, minor), interpreter, platforms))))

    def tags(self) -> frozenset[tags.Tag]:
        """Return the tags of the wheels that can be installed there (PEP 425)."""
        return frozenset(self.ordered_tags())

    def _platforms(self) -> Iterator[str]:
        yield f"linux_{self.machine}"
        oldest = _OLDEST_GLIBC if self.machine in ("x86_64", "i686") else _OLDEST_GLIBC_ELSEWHERE
        for minor in range(self.libc_minor, (oldest if self.libc == "glibc" else 0) - 1, -1):
            if self.libc == "musl":
                yield f"musllinux_1_{minor}_{self.machine}"
            elif self.libc == "glibc":
                yield f"manylinux_2_{minor}_{self.machine}"
                if minor in _LEGACY_TAGS:
                    yield f"{_LEGACY_TAGS[minor]}_{self.machine}"


class ImageInspector(Struct, frozen=True, kw_only=True):
    """Asks `engine` about images, and remembers in the JSON file `cache` which Python each image id has."""

    engine: Engine
    shell: Shell
    cache: Path

    def image_id(self, image: str, *, key: str) -> str:
        """Return the id of `image`, after fetching it if the engine does not have it.

        `key` is the dotted key of the setting that names the image. Raises `NoxPexError` `image-base`.
        """
        outcome = self._run(self.engine.identify_argv(image), "look for the base")
        if outcome.status != 0:
            self.shell.say(f"image: fetching {image}")
            fetched = self._run(self.engine.pull_argv(image), f"fetch {image}")
            if fetched.status != 0:
                reason = fetched.tail[-1].strip() if fetched.tail else f"exit status {fetched.status}"
                problem = f"{key} names {image}, which {self.engine.name} does not have and cannot fetch: {reason}"
                remedy = f"correct the name, or make `{self.engine.name} pull {image}` work"
                raise NoxPexError("image-base", problem, remedy, log=fetched.tail)
            outcome = self._run(self.engine.identify_argv(image), "look for the base")
        return outcome.output.strip().splitlines()[-1]

    def image_python(self, image: str, *, identity: str, minor: str | None, key: str) -> ImagePython:
        """Return the Python of `image`, whose id is `identity`: Python `minor` (`3.11`) if the image has it.

        `key` is the dotted key of the setting that names the image. Raises `NoxPexError`: `image-python` if there is no
        Python, `engine-failed` if the engine cannot run it.
        """
        known = files.read_json(self.cache)
        entry = f"{identity} {minor or ''}"
        python = _as_python(known.get(entry))
        if python is not None:
            return python
        said = self.run_python(image, QUESTION, identity=identity, minor=minor, key=key)
        with contextlib.suppress(ValueError, RecursionError):
            python = _as_python(json.loads(said))
        if python is None:
            problem = f"the Python of the image {image} does not say what it is, but {said[:_SHOWN]!r}"
            raise NoxPexError("image-python", problem, f"set {key} to an image with a Python that works")
        files.write_json(self.cache, {**known, entry: msgspec.structs.asdict(python)})
        return python

    def run_python(self, image: str, program: str, *, identity: str, minor: str | None, key: str) -> str:
        """Run `program` with the Python of `image`, and return the last line that it prints.

        Arguments and errors are as for `image_python`.
        """
        outcome = None
        for command in (*((f"python{minor}",) if minor else ()), "python3", "python"):
            outcome = self._run_program(identity, command, program)
            if outcome.status == 0:
                return outcome.output.splitlines()[-1]
            if outcome.status != _NO_SUCH_PROGRAM:
                break
        tail = outcome.tail if outcome is not None else ()
        reason = tail[-1].strip() if tail else "it printed nothing"
        if outcome is not None and outcome.status in _ENGINE_FAILED and _FOREIGN_ARCHITECTURE not in reason:
            problem = f"{self.engine.name} could not start a container of {image}: {reason}"
            remedy = f"make `{self.engine.name} run --rm {image}` work, or see `image.engine-args`"
            raise NoxPexError("engine-failed", problem, remedy, log=tail)
        problem = f"the image {image} ({_machine(self.describe(identity))}) has no Python that runs: {reason}"
        remedy = f"set {key} to an image that has one, such as python:{minor or 3}-slim"
        raise NoxPexError("image-python", problem, remedy)

    def describe(self, image: str) -> dict[str, Any]:
        """Return an image's `Config`, `Architecture`, `RootFS` and `Size`, which are Docker's names for them."""
        output = self._run(self.engine.describe_argv(image), "look at the image").output
        value = json.loads(_WARNINGS.sub("", output, count=1))
        if isinstance(value, list):
            first: dict[str, Any] = value[0]
            return first
        docker = value["Docker"]  # the format of buildah
        return {
            "Config": docker.get("config") or {},
            "Architecture": docker.get("architecture"),
            "RootFS": {"Layers": (docker.get("rootfs") or {}).get("diff_ids")},
        }

    def _run_program(self, image: str, command: str, program: str) -> Outcome:
        """Run `program` with the interpreter `command`, in a container of `image` that is removed afterwards."""
        what, arguments = "ask the base", ("-I", "-c", program)
        if self.engine.name != "buildah":
            return self._run(self.engine.run_once_argv(image, command, *arguments), what)
        created = self._run(self.engine.argv("from", "--pull-never", image), what)
        if created.status != 0:
            return created
        container = created.output.strip().splitlines()[-1]
        argv = self.engine.argv("run", *self.engine.args.run, container, "--", command, *arguments)
        try:
            return self._run(argv, what)
        finally:
            self._run(self.engine.argv("rm", container), what)

    def _run(self, argv: tuple[str, ...], what: str) -> Outcome:
        return self.shell.run(argv, what=f"image: {what}", env=self.shell.environ)


def _as_python(value: object) -> ImagePython | None:
    """Return the Python in a JSON value; None if that has another form."""
    try:
        return msgspec.convert(value, ImagePython)
    except (msgspec.ValidationError, UnicodeError):
        return None


def _machine(description: dict[str, Any]) -> str:
    return f"{description.get('Os') or 'linux'}/{description.get('Architecture') or 'unknown'}"
