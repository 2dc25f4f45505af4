"""Checks a finished PEX by its content, without trusting the build that made it."""
