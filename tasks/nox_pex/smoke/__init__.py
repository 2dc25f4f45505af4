"""Launches a binary, waits until it serves, checks its answers, stops it."""
