"""Calls to the replicas of a stage."""
