"""Writes the checkpoint and its card."""
