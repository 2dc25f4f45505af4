"""A WSGI application, and gunicorn's configuration: the socket has its final name only when the server is ready."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

bind = "unix:starting.sock"  # relative to `chdir`
preload_app = True  # the other user may not be able to read the file
user = "nobody" if os.geteuid() == 0 else None


def when_ready(_: object) -> None:
    Path("app.sock").hardlink_to("starting.sock")  # gunicorn itself removes the other name when it stops


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"host": environ["HTTP_HOST"], "privileged": os.geteuid() == 0}).encode()]
