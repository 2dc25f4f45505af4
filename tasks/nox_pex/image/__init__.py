"""Builds a container image with a binary, and checks that the binary works in it."""
