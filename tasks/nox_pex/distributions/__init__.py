"""Packaging formats."""
