"""Modules of the client that applications do not import: their names may change."""
