"""Check a file with the statements about it that somebody has signed. Everything in the statements may be hostile."""
