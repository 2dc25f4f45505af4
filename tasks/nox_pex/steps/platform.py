"""`platform`: print the description of a Python, for `complete-platforms`."""

from __future__ import annotations

import os
from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.image.base import fetch, python
from nox_pex.image.base_image import ImageInspector
from nox_pex.image.engine import Engine, find_engine
from nox_pex.oci.descriptor import platform_of_machine
from nox_pex.platforms import ask_python
from nox_pex.platforms.platform import Platform
from nox_pex.settings.image import LAYOUT, EngineArgs, Image
from nox_pex.steps.context import Context
from nox_pex.system import outside_text

_KEY: Final = "--image"
"""The name of the option, for errors about its value."""


def run(context: Context) -> None:
    """Print the description of this Python, or of the Python in the container image that `--image` names.

    Raises `NoxPexError`: `python-mismatch` if the Python cannot describe itself, `image-base` if the image does not
    exist, `image-python` if it has no Python, `registry` and `registry-auth` if it is fetched without an engine.
    """
    image = context.arguments.image
    if image is None:
        found = ask_python.ask(context.base.find(), context.provisioner.shell)
    else:
        settings = next((binary.image for binary in context.settings.binary.values() if binary.image is not None), None)
        engine = _engine(image, settings, context)
        found = _in_layers(image, context) if engine is None else _in_container(image, engine, context)
    context.emit(outside_text.json_text(found.as_json()).rstrip())


def _engine(image: str, settings: Image | None, context: Context) -> Engine | None:
    """Return the engine of the first image in the settings; None if the image is read without one.

    That is so if the image is a layout on disk, if the settings say so, or if no engine answers.
    """
    if image.startswith(LAYOUT) or (settings is not None and settings.without_engine):
        return None
    wanted, arguments = (settings.engine, settings.engine_args) if settings is not None else ("auto", EngineArgs())
    try:
        return find_engine(wanted, arguments, context.provisioner.shell)
    except NoxPexError as error:
        if wanted != "auto":
            raise
        context.provisioner.shell.say(f"platform: reading the layers of {image}, because {error.problem}")
        return None


def _in_container(image: str, engine: Engine, context: Context) -> Platform:
    """Ask the Python in the container image `image`."""
    inspector = ImageInspector(engine=engine, shell=context.provisioner.shell, cache=context.state / "images.json")
    identity = inspector.image_id(image, key=_KEY)
    line = inspector.run_python(image, ask_python.script(), identity=identity, minor=None, key=_KEY)
    return ask_python.parse_answer(line, name=image)


def _in_layers(image: str, context: Context) -> Platform:
    """Read the Python in the layers of `image` for this machine's architecture, without running it."""
    caches, shell = context.provisioner.caches, context.provisioner.shell
    wanted = platform_of_machine(os.uname().machine)
    base = fetch.fetch(image, wanted, key=_KEY, root=context.root, caches=caches, shell=shell)
    return python.platform_of(python.python_of(base, minor=None, key=_KEY, caches=caches), image)
