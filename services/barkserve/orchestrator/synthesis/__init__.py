"""Speaks one text through the four stages."""
