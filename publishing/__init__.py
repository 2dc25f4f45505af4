"""The release of nox-pex itself. It is not in the wheel, and needs only the standard library."""
