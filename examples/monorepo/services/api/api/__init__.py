"""A service that greets over HTTP."""

from bottle import Bottle
from greetings import greeting

app = Bottle()


@app.get("/greet/<name>")
def greet(name: str) -> dict[str, str]:
    """Return the greeting as JSON."""
    return {"greeting": greeting(name)}
