"""The scaling harness: the real autoscaler and real services, on one machine that plays the
cluster.
"""
