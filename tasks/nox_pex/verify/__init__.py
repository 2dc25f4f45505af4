"""Checks a finished PEX by its content alone, without trusting the build that made it."""
