"""Bark's models as torch modules: weights and arithmetic, no threads, no requests, no gRPC."""
