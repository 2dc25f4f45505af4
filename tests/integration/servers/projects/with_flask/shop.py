"""A Flask application with a template and a POST."""

from __future__ import annotations

from typing import Any

from flask import Flask, render_template_string, request

app = Flask(__name__)


@app.get("/")
def index() -> str:
    return render_template_string("<h1>{{ greeting }}</h1>", greeting="Hello World")


@app.post("/orders")
def order() -> tuple[dict[str, Any], int, dict[str, str]]:
    return {"id": 1, **request.get_json()}, 201, {"Location": "/orders/1"}
