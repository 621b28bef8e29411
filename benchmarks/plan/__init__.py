"""Profiles for `barkclient plan`, and measured loads next to simulated ones."""
