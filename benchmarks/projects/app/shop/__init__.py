"""A shop of nothing."""
