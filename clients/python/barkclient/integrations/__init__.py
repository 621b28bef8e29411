"""Voice-app frameworks that speak through barkserve."""
