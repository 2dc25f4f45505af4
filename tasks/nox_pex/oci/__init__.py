"""The OCI image format: names, descriptors, manifests, configurations, layers, and image layouts on disk."""
