"""The base image: brought here, and asked by its own Python what it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from packaging import tags

from nox_pex.errors import NoxPexError
from nox_pex.image.engine import Engine
from nox_pex.system import files
from nox_pex.system.command import Outcome, Shell

_QUESTION: Final = """\
import glob, json, os, platform, re, subprocess, sys, sysconfig
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION").split()
except (AttributeError, OSError, ValueError):
    libc = ["", ""]
for loader in glob.glob("/lib/ld-musl-*.so.1"):
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
"""Runs on any Python from 3.5 on, with the standard library alone."""


_WARNINGS: Final = re.compile(r"\A[^\[{].*?(?=^[\[{])", re.MULTILINE | re.DOTALL)
"""What an engine may say before its JSON."""


_SHORT: Final = {"PyPy": "pp"}
"""The names of interpreters in wheels' tags, other than `cp` (PEP 425)."""


_NOT_THERE: Final = 127


_ENGINE_FAILED: Final = (125, 126)
"""Exit statuses of `run` (podman-run(1)): no such program; the engine, or its runtime, failed."""


_FOREIGN: Final = "exec format error"
"""What the kernel says to a program of another architecture."""


_LEGACY: Final = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""Minor versions of glibc 2, and the older name of the platform tag (PEP 600)."""


@dataclass(frozen=True, kw_only=True)
class ImagePython:
    """What a base image's Python says of itself and its system.

    `libc` is `glibc`, `musl` or empty, `executable` its path in the image, `has_shell` whether there is a `/bin/sh`.
    """

    implementation: str
    version: str
    abi: str
    gil: bool
    machine: str
    libc: str
    libc_version: str
    executable: str
    has_shell: bool

    def __str__(self) -> str:
        libc = f"{self.libc} {self.libc_version}" if self.libc else "no libc that is known"
        return f"{self.implementation} {self.version}{'' if self.gil else ' without GIL'}, {libc}, {self.machine}"

    @property
    def minor(self) -> str:
        """Major and minor version: `3.11`."""
        return ".".join(self.version.split(".")[:2])

    @property
    def libc_minor(self) -> int:
        """The minor version of the libc: 36 for glibc 2.36, 0 where it is not known."""
        _, _, rest = self.libc_version.partition(".")
        digits = rest.partition(".")[0]
        return int(digits) if digits.isdecimal() else 0

    def tags(self) -> frozenset[tags.Tag]:
        """The tags of wheels that can be installed there (PEP 425)."""
        major, minor = (int(part) for part in self.minor.split("."))
        platforms = list(self._platforms())
        if self.implementation == "CPython":
            interpreter = f"cp{major}{minor}"
            abi = f"{interpreter}{'' if self.gil else 't'}"
            own = tags.cpython_tags((major, minor), [abi], platforms)
        else:
            interpreter = f"{_SHORT.get(self.implementation, self.implementation.lower())}{major}{minor}"
            own = tags.generic_tags(interpreter, [self.abi], platforms)
        return frozenset(own) | frozenset(tags.compatible_tags((major, minor), interpreter, platforms))

    def _platforms(self) -> Iterator[str]:
        yield f"linux_{self.machine}"
        for minor in range(self.libc_minor, -1, -1):
            if self.libc == "musl":
                yield f"musllinux_1_{minor}_{self.machine}"
            elif self.libc == "glibc":
                yield f"manylinux_2_{minor}_{self.machine}"
                if minor in _LEGACY:
                    yield f"{_LEGACY[minor]}_{self.machine}"


@dataclass(frozen=True, kw_only=True)
class ImageInspector:
    """Knows images by asking `engine`, and remembers by their id what they answered in the file `memory`."""

    engine: Engine
    shell: Shell
    memory: Path

    def image_id(self, image: str, *, key: str) -> str:
        """The id of `image`, which is fetched where it is not here yet. Raises `NoxPexError` `image-base`.

        `key` is the dotted key that names it.
        """
        outcome = self._run(self.engine.identify(image), "look for the base")
        if outcome.status != 0:
            self.shell.say(f"image: fetching {image}")
            fetched = self._run(self.engine.pull(image), f"fetch {image}")
            if fetched.status != 0:
                said = fetched.tail[-1].strip() if fetched.tail else f"exit status {fetched.status}"
                problem = f"{key} names {image}, which {self.engine.name} neither has nor can fetch: {said}"
                remedy = f"correct the name, or make `{self.engine.name} pull {image}` work"
                raise NoxPexError("image-base", problem, remedy, log=fetched.tail)
            outcome = self._run(self.engine.identify(image), "look for the base")
        return outcome.output.strip().splitlines()[-1]

    def image_python(self, image: str, *, identity: str, minor: str | None, key: str) -> ImagePython:
        """What the Python of the image `identity` says: that of the version `minor` where it has one.

        Raises `NoxPexError` `image-python` where there is none, `engine-failed` where the engine cannot run any.
        """
        known = files.read_json(self.memory)
        remembered = f"{identity} {minor or ''}"
        if remembered in known:
            return ImagePython(**known[remembered])
        facts = ImagePython(**json.loads(self.run_python(image, _QUESTION, identity=identity, minor=minor, key=key)))
        files.write_json(self.memory, {**known, remembered: asdict(facts)})
        return facts

    def run_python(self, image: str, question: str, *, identity: str, minor: str | None, key: str) -> str:
        """The last line that the Python of the image `identity` prints when it runs the program `question`.

        As for `facts`, which also says what is raised.
        """
        last = None
        for command in (*((f"python{minor}",) if minor else ()), "python3", "python"):
            last = self._asked(identity, command, question)
            if last.status == 0:
                return last.output.splitlines()[-1]
            if last.status != _NOT_THERE:
                break
        tail = last.tail if last is not None else ()
        said = tail[-1].strip() if tail else "it says nothing"
        if last is not None and last.status in _ENGINE_FAILED and _FOREIGN not in said:
            problem = f"{self.engine.name} could not start a container of {image}: {said}"
            remedy = f"make `{self.engine.name} run --rm {image}` work, or see `image.engine-args`"
            raise NoxPexError("engine-failed", problem, remedy, log=tail)
        machine = _machine(self.describe(identity))
        problem = f"the image {image} ({machine}) has no Python that can be run: {said}"
        raise NoxPexError("image-python", problem, f"let {key} name one that has, such as python:{minor or 3}-slim")

    def describe(self, image: str) -> dict[str, Any]:
        """What the engine says of an image, in Docker's words: `Config`, `Architecture`, `RootFS`, `Size`."""
        output = self._run(self.engine.describe(image), "look at the image").output
        value = json.loads(_WARNINGS.sub("", output, count=1))
        if isinstance(value, list):
            first: dict[str, Any] = value[0]
            return first
        docker = value["Docker"]  # buildah's
        config = docker.get("config") or {}
        return {
            "Config": config,
            "Architecture": docker.get("architecture"),
            "RootFS": {"Layers": (docker.get("rootfs") or {}).get("diff_ids")},
        }

    def _asked(self, image: str, command: str, program: str) -> Outcome:
        question = ("-I", "-c", program)
        if self.engine.name != "buildah":
            return self._run(self.engine.run_once(image, command, *question), "ask the base")
        made = self._run(self.engine.argv("from", "--pull-never", image), "ask the base")
        if made.status != 0:
            return made
        container = made.output.strip().splitlines()[-1]
        words = self.engine.argv("run", *self.engine.args.run, container, "--", command, *question)
        try:
            return self._run(words, "ask the base")
        finally:
            self._run(self.engine.argv("rm", container), "ask the base")

    def _run(self, argv: tuple[str, ...], what: str) -> Outcome:
        return self.shell.run(argv, what=f"image: {what}", env=self.shell.environ)


def _machine(described: dict[str, Any]) -> str:
    return f"{described.get('Os') or 'linux'}/{described.get('Architecture') or 'unknown'}"
