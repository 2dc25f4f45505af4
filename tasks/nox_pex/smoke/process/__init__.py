"""The program under test: its processes, ports and network, and the rights that a condition takes away."""
