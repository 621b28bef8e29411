"""Judges an exported checkpoint."""
