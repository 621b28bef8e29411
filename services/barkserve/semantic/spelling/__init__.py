"""Spells a text out in English letters, for checkpoints such as bark-mini that know only those."""
