"""`platform`: print the description of a Python, for `complete-platforms`."""

from __future__ import annotations

from nox_pex.image.base_image import ImageInspector
from nox_pex.image.engine import find_engine
from nox_pex.platforms import ask_python
from nox_pex.platforms.platform import Platform
from nox_pex.settings.image import EngineArgs
from nox_pex.steps.context import Context
from nox_pex.system import outside_text


def run(context: Context) -> None:
    """Print the description of this Python, or of the Python in the container image that `--image` names.

    Raises `NoxPexError`: `python-mismatch` if the Python cannot describe itself, `image-base` if the image does not
    exist.
    """
    image = context.arguments.image
    if image is None:
        found = ask_python.ask(context.base.find(), context.provisioner.shell)
    else:
        found = _in_image(image, context)
    context.emit(outside_text.json_text(found.as_json()).rstrip())


def _in_image(image: str, context: Context) -> Platform:
    """Ask the Python in the container image `image`, with the engine of the first image in the settings."""
    shell = context.provisioner.shell
    settings = next((binary.image for binary in context.settings.binary.values() if binary.image is not None), None)
    using = find_engine(
        settings.engine if settings else "auto", settings.engine_args if settings else EngineArgs(), shell
    )
    inspector = ImageInspector(engine=using, shell=shell, cache=context.state / "images.json")
    identity = inspector.image_id(image, key="--image")
    line = inspector.run_python(image, ask_python.script(), identity=identity, minor=None, key="--image")
    return ask_python.parse_answer(line, name=image)
