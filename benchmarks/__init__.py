"""nox-pex measured beside the other ways to get from a Poetry lock to something that runs: `nox -s bench`."""
