"""The sessions that a user runs, one file for each."""
