"""A command that greets the people it is given."""

import click
from greetings import greeting


@click.command()
@click.argument("names", nargs=-1)
def main(names: tuple[str, ...]) -> None:
    """Greet NAMES."""
    for name in names:
        click.echo(greeting(name))
