"""What the answers are checked for."""
