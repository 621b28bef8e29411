"""Checks and generators for this repository. Not part of any package that is installed."""
