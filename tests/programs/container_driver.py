"""Check an image without an engine in a separate process: `container_driver.py FILE`, a JSON file with the values.

It prints the result as JSON on its last line.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from nox_pex.errors import NoxPexError
from nox_pex.image.root_file_system.ask import ask_python
from nox_pex.image.root_file_system.check import check_root_file_system
from nox_pex.image.root_file_system.image import ContainerImage
from nox_pex.settings.smoke import Smoke
from nox_pex.smoke.plan import Options
from nox_pex.tools.cache import Caches
from nox_pex.tools.provision import Provisioner
from tests.support.images import image_target, job_of, shell
from tests.support.shown import say_into


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The values of one call. `options` are those of the command line. If `asks`, only the Python is asked."""

    root: Path
    temporary: Path
    cache: Path
    container: ContainerImage
    image: dict[str, Any]
    smoke: dict[str, Any]
    options: dict[str, Any] = {}
    asks: str = ""


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def check(call: Call, caches: Caches) -> dict[str, Any]:
    job = job_of(image_target(call.root, **call.image), shell())
    job = msgspec.structs.replace(job, provisioner=Provisioner(shell=job.shell, caches=caches, uv=None))
    report = check_root_file_system(
        job,
        call.container,
        file=call.root / "service.oci",
        smoke=msgspec.convert(call.smoke, Smoke),
        environ=os.environ,
        options=msgspec.convert(call.options, Options),
        say=say_into(say),
    )
    (boot,) = report.boot_results
    failure = report.failure
    return {
        "state": boot.state,
        "reason": boot.reason,
        "code": failure.code if failure else None,
        "problem": failure.problem if failure else "",
        "log": "\n".join(failure.log) if failure else "",
        "memory": boot.memory,
        "stop": str(boot.stop),
    }


def main() -> None:
    call = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Call, dec_hook=lambda kind, text: kind(text))
    tempfile.tempdir = str(call.temporary)
    caches = Caches(chosen=call.cache)
    say("go")
    try:
        if call.asks:
            container = call.container
            answer = ask_python(
                container.layers, container.config, image="it", executable=call.asks, caches=caches, say=lambda _: None
            )
            result = msgspec.to_builtins(answer)
        else:
            result = check(call, caches)
    except NoxPexError as error:
        result = {"state": "raised", "code": error.code, "problem": error.problem}
    say(json.dumps(result))


main()
