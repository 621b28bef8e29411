"""The fine stage: two codebooks to all."""
