"""Samples to the bytes that a client asked for, while they come: level, rate, chunks, encoding."""
