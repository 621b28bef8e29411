"""Attention of the models, with four backends."""
