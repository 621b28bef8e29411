"""The coarse stage: semantic tokens to the first two codebooks."""
