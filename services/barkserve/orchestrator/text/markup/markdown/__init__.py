"""Markdown, as a person would read it aloud."""
