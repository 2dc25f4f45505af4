"""The OCI distribution protocol: what nox-pex reads from registries, and pushes to them."""
