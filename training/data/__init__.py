"""Sentences, teachers and tokens: what the models learn from."""
