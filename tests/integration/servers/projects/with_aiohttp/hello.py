"""An aiohttp server: `hello.py HOST PORT`."""

from __future__ import annotations

import sys

from aiohttp import web


async def index(_: web.Request) -> web.Response:
    return web.json_response({"message": "Hello World"})


async def redirected(_: web.Request) -> web.Response:
    raise web.HTTPFound("/")


def main() -> None:
    app = web.Application()
    app.add_routes([web.get("/", index), web.get("/redirected", redirected)])
    web.run_app(app, host=sys.argv[1], port=int(sys.argv[2]))
