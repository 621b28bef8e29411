"""The fine stage: the first two codebooks to all of them."""
