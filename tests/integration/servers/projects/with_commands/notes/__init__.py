"""Notes in a database: a server and a command line."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Annotated, Any
from urllib.request import ProxyHandler, build_opener

import typer
import uvicorn

app = typer.Typer()
Send = Callable[[dict[str, Any]], Awaitable[None]]


def database() -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(os.environ["NOTES_DATABASE"]))


async def web(scope: dict[str, Any], _receive: object, send: Send) -> None:
    assert scope["type"] == "http"
    with database() as connection:
        notes = [text for (text,) in connection.execute("SELECT text FROM notes ORDER BY rowid")]
    status, value = {"/healthz": (200, "ok"), "/notes": (200, notes)}.get(scope["path"], (404, None))
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


@app.command()
def serve(port: Annotated[int, typer.Option()]) -> None:
    uvicorn.run(web, port=port, lifespan="off")


@app.command()
def add(text: str) -> None:
    with database() as connection, connection:
        connection.execute("INSERT INTO notes VALUES (?)", (text,))


@app.command()
def fetch(url: str) -> None:
    with build_opener(ProxyHandler({})).open(url, timeout=5) as answer:
        typer.echo(answer.read().decode())
