"""Ask the Python of an image in a root file system made of its layers."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.image import base_image
from nox_pex.image.base_image import ImagePython
from nox_pex.image.root_file_system import container, directories, foreign
from nox_pex.image.root_file_system.directories import RootDirectories
from nox_pex.image.root_file_system.user import ImageUser
from nox_pex.oci import root_tree
from nox_pex.oci.image import BaseImage, LayerFile
from nox_pex.oci.image_config import ContainerConfig, ImageConfig
from nox_pex.smoke.process.conditions import NOBODY
from nox_pex.smoke.process.program import Command, Exit, Program, UnavailableError
from nox_pex.system import files
from nox_pex.system.messages import Say
from nox_pex.tools.cache import Caches

_SECONDS: Final = 60.0
"""Seconds in which the Python must answer."""


_LONGEST_ANSWER: Final = 1 << 16
"""Bytes of its output that are read."""


_SHOWN: Final = 200
"""Characters of a wrong answer that are shown."""


_USER: Final = ImageUser(text="nobody", user=NOBODY, group=NOBODY)


class PythonAnswer(Struct, frozen=True, kw_only=True):
    """The Python that ran; or None, and the reason why this machine could not run it."""

    python: ImagePython | None = None
    reason: str = ""


class Streams(Struct, frozen=True, kw_only=True):
    """The files that a program reads and writes."""

    stdin: Path
    stdout: Path
    stderr: Path


def as_it_runs(base: BaseImage, python: ImagePython, *, caches: Caches, say: Say) -> ImagePython | None:
    """Return what the Python of `base` says about itself; None if it cannot run here. `python` is what its layers say.

    Its path and the shell are those of `python`, because the image has them: it must be the same from any machine. The
    answer is kept in the user's cache. Raises as `ask_python` does.
    """
    cached = caches.of_images("trees") / f"{root_tree.key_of(base.layers)}.ran.json"
    known = files.read_json(cached)
    try:
        answer = msgspec.convert(known.get(python.executable), ImagePython)
    except (msgspec.ValidationError, UnicodeError):
        executable = python.executable
        ran = ask_python(base.layers, base.config, image=base.name, executable=executable, caches=caches, say=say)
        if ran.python is None:
            return None
        answer = msgspec.structs.replace(ran.python, executable=python.executable, has_shell=python.has_shell)
        files.write_json(cached, {**known, python.executable: msgspec.structs.asdict(answer)})
    return answer


def ask_python(
    layers: Sequence[LayerFile],
    config: ImageConfig,
    *,
    image: str,
    executable: str,
    caches: Caches,
    say: Say,
) -> PythonAnswer:
    """Run `executable`, a path in the image, and return which Python it says that it is.

    It runs as nobody, without a network, on a read-only root. `image` names the image in errors. `say` shows that large
    layers are unpacked. Raises `NoxPexError`: `image-python` if it runs but does not say what it is, `image-base` if
    the layers cannot be unpacked.
    """
    reason = foreign.reason(config.platform, machine=platform.machine())
    if reason is not None:
        return PythonAnswer(reason=reason)
    with (
        directories.unpacked(layers, (), image=image, caches=caches, say=say) as root,
        tempfile.TemporaryDirectory(prefix="nox-pex-ask-") as name,
    ):
        scratch = Path(name)
        files = Streams(stdin=Path(os.devnull), stdout=scratch / "stdout", stderr=scratch / "stderr")
        try:
            argv = (executable, "-I", "-c", base_image.QUESTION)
            ended = run_in(root, argv, config.container, files, scratch=scratch, seconds=_SECONDS)
        except UnavailableError as unavailable:
            return PythonAnswer(reason=str(unavailable))
        said = (_read(scratch / "stdout").splitlines() or [""])[-1]
        if ended is None or ended.status != 0:
            lines = _read(scratch / "stderr").splitlines()
            why = f"still running after {_SECONDS:g} s" if ended is None else lines[-1] if lines else str(ended)
            problem = f"the image {image} has no Python that runs: {executable}: {why}"
            raise NoxPexError("image-python", problem, "choose a base with a Python that works", log=tuple(lines))
    try:
        return PythonAnswer(python=msgspec.convert(json.loads(said), ImagePython))
    except (ValueError, RecursionError):  # `msgspec.ValidationError` is a `ValueError`
        problem = f"the Python of the image {image} does not say what it is, but {said[:_SHOWN]!r}"
        raise NoxPexError("image-python", problem, "choose a base with a Python that works") from None


def run_in(
    root: RootDirectories,
    argv: tuple[str, ...],
    config: ContainerConfig,
    streams: Streams,
    *,
    scratch: Path,
    seconds: float,
) -> Exit | None:
    """Run a program of an image as nobody, without a network, on a read-only root, and return how it ended.

    None if it still runs after `seconds`; it is killed then. `scratch` is a directory of this machine. Raises
    `NoxPexError` `image-python` if it cannot be started, and `UnavailableError` if the kernel refuses to confine it.
    """
    place = Path(tempfile.mkdtemp(prefix="root-", dir=scratch))
    for file in (streams.stdout, streams.stderr):
        file.touch()
    while True:
        program = Program(
            Command(
                argv=argv,
                env=container.variables(config, _USER, {}),
                cwd=Path("/"),  # the confinement changes to that of the container
                stdin=streams.stdin,
                stdout=streams.stdout,
                stderr=streams.stderr,
            ),
            remove=scratch,
            confinement=container.confinement(
                root, msgspec.structs.replace(config, working_dir="/"), _USER, place=place, private_network=True
            ),
            not_started=lambda file, _, reason: NoxPexError(
                "image-python", f"{file} of the image cannot be started: {reason}", "choose another base"
            ),
        )
        try:
            program.start()
            return program.exited(within=seconds)
        except UnavailableError as refusal:
            if not root.can_do_without(refusal):
                raise
        finally:
            program.end()


def _read(file: Path) -> str:
    with file.open("rb") as content:
        return content.read(_LONGEST_ANSWER).decode("utf-8", "replace")
