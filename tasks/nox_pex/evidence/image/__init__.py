"""The statements of a container image, and the manifests with which a registry attaches them to it."""
