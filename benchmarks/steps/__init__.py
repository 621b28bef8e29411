"""Time of a decode step, and what it consists of."""
