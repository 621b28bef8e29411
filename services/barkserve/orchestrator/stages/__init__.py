"""Calls the replicas of a stage."""
