"""Evaluation of an exported checkpoint."""
