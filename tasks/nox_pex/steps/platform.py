"""`platform`: print the description of a Python, for `complete-platforms`."""

from __future__ import annotations

import json

from nox_pex.image import engine
from nox_pex.image.base_image import ImageInspector
from nox_pex.platforms import ask_python
from nox_pex.platforms.platform import Platform
from nox_pex.settings.image import EngineArgs
from nox_pex.steps.context import Context


def run(context: Context) -> None:
    """Print the description of this Python, or of the one in the container image that `--image` names.

    Raises `NoxPexError` if the Python cannot say, or the engine has no such image.
    """
    image = context.arguments.image
    found = ask_python.ask(context.base.find(), context.provisioner.shell) if image is None else _of(image, context)
    context.emit(json.dumps(found.as_json(), indent=2))


def _of(image: str, context: Context) -> Platform:
    """The Python in the container image `image`, asked by the engine of the first image in the settings."""
    shell = context.provisioner.shell
    own = next((binary.image for binary in context.settings.binary.values() if binary.image is not None), None)
    using = engine.find_engine(own.engine if own else "auto", own.engine_args if own else EngineArgs(), shell)
    inspector = ImageInspector(engine=using, shell=shell, memory=context.state / "images.json")
    identity = inspector.image_id(image, key="--image")
    line = inspector.run_python(image, ask_python.script(), identity=identity, minor=None, key="--image")
    return ask_python.parse_answer(line, name=image)
