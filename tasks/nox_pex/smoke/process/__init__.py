"""The program under test and what surrounds it."""
