"""An ASGI application that answers with the name of its event loop."""

import asyncio
import json


async def app(scope, receive, send) -> None:
    if scope["type"] != "http":
        return
    body = json.dumps({"loop": type(asyncio.get_running_loop()).__module__}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
