"""From an install to a PEX."""
