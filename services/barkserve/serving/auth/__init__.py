"""Authentication: who calls, what a caller may do, and how much."""
