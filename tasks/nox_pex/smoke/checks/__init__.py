"""The checks of a program: requests, commands, and the comparison of the results with the settings."""
