"""A command-line program."""

from __future__ import annotations

import typer

app = typer.Typer()


@app.command()
def greet(name: str, *, shout: bool = False) -> None:
    text = f"Hello {name}"
    typer.echo(text.upper() if shout else text)
