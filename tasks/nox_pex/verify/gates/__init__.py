"""The gates of `verify`, one file for each."""
