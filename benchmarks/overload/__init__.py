"""Overload: goodput and underruns at ten times the load that the stages serve in real time."""
