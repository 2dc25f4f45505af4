"""Poetry, pex and build backends: pinned, installed, cached."""
