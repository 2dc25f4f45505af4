"""A Flask shop: a template, a static file, and orders in a database."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Any

from flask import Flask, abort, render_template_string, request

app = Flask(__name__)


def database() -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(os.environ["SHOP_DATABASE"]))


@app.get("/")
def index() -> str:
    return render_template_string("<h1>{{ greeting }}</h1>", greeting="Hello World")


@app.post("/orders")
def order() -> tuple[dict[str, Any], int, dict[str, str]]:
    wanted = request.get_json()
    with database() as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS orders (item TEXT UNIQUE, count INTEGER)")
        try:
            connection.execute("INSERT INTO orders VALUES (?, ?)", (wanted["item"], wanted["count"]))
        except sqlite3.IntegrityError:
            abort(409)
    return wanted, 201, {"Location": f"/orders/{wanted['item']}"}


@app.get("/orders/<item>")
def ordered(item: str) -> dict[str, Any]:
    with database() as connection:
        row = connection.execute("SELECT count FROM orders WHERE item = ?", (item,)).fetchone()
    return {"item": item, "count": row[0]} if row else abort(404)


@app.cli.command()
def orders() -> None:
    """Print the orders, with the column that the migration has added."""
    with database() as connection:
        for row in connection.execute("SELECT item, count, paid FROM orders"):
            print(*row)
