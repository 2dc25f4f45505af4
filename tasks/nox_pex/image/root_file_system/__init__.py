"""The container of an image without an engine: its root file system in the kernel's namespaces."""
