"""Formats of a text: each module turns what a client sends into the items that are spoken."""
