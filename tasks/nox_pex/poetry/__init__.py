"""Poetry: its lock, its installs, its command line and its errors."""
