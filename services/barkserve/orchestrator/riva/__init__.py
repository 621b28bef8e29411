"""NVIDIA Riva's contract for speech synthesis: a translation, and nothing of its own."""
