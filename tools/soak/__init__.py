"""Services under twice the load that they can serve, for a long time."""
