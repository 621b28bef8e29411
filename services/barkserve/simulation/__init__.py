"""Simulates the chain of services in virtual time, to plan deployments. Needs no torch."""
