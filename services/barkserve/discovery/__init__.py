"""Finds the replicas of a service, and follows the load of each."""
