"""A packaged project with a `src` layout that asks for its own metadata."""

from importlib.metadata import distributions, entry_points, metadata, version
from importlib.resources import files


def loud() -> str:
    return "LOUD"


def main() -> None:
    (voice,) = entry_points(group="mixed.voices")
    print(voice.load()(), version("mixed"), metadata("mixed")["Requires-Python"])
    print(*sorted(path.name for path in files("mixed").iterdir() if path.name.endswith(".txt")))
    print(*sorted(f"{found.name}=={found.version}" for found in distributions()))
