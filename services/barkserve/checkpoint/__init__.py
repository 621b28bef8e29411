"""Reads a Bark checkpoint: its folder, configuration, weights and voices."""
