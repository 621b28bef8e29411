"""The cost of the host beside a device that only takes time."""
