"""Training data: sentences, the teacher's readings, and tokens."""
