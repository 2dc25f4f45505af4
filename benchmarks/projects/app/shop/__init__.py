"""A shop that sells nothing."""
