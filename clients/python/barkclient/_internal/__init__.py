"""Modules that applications do not import. Their names and contents may change."""
