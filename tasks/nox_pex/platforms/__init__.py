"""Binaries for other platforms than this one: `complete-platforms`, from the lock's wheels alone."""
