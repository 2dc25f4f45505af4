"""A base image without an engine: where it comes from, and the Python in its layers."""
