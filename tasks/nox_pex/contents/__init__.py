"""The content of a finished binary, and the difference between two."""
