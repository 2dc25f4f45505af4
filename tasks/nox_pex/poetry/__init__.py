"""What Poetry says and does."""
