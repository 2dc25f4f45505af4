"""Benchmarks of nox-pex and of other ways from a Poetry lock to a program that runs: `nox -s bench`."""
