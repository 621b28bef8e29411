"""Speaks one text of any length through the four stages."""
