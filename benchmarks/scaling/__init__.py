"""Autoscaling benchmark: the real autoscaler and services on one machine, without a cluster."""
