"""Binaries for platforms other than this one (`complete-platforms`), from the wheels that the lock names."""
