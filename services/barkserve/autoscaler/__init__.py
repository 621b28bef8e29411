"""The autoscaler: how many replicas each service should have, and why."""
