"""A feed of server-sent events and a log that grows: both answers are endless."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route


async def ticks() -> AsyncIterator[dict[str, Any]]:
    for number in count(1):
        yield {"event": "tick", "id": str(number), "data": f'{{"number": {number}}}'}
        await asyncio.sleep(0.05)


async def lines() -> AsyncIterator[str]:
    for number in count(1):
        yield f"line {number} of no end\n"
        await asyncio.sleep(0.01)


def events(_: Request) -> EventSourceResponse:
    return EventSourceResponse(ticks())


def log(_: Request) -> StreamingResponse:
    return StreamingResponse(lines(), media_type="text/plain")


app = Starlette(routes=[Route("/events", events), Route("/log", log)])
