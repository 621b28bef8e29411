"""Trains each model."""
