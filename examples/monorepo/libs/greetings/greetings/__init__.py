"""What all services say."""


def greeting(name: str) -> str:
    """How `name` is greeted."""
    return f"Hello, {name}!"
