"""The voices that requests may name."""
