"""The semantic stage: text to semantic tokens."""
