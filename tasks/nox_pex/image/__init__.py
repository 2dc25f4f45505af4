"""Puts a binary into a container image, and proves that it works there."""
