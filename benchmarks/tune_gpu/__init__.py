"""Measures what computes a decode step fastest on a GPU."""
