"""The user's project."""
