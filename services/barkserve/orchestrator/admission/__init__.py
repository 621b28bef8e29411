"""Which streams the orchestrator accepts, and when a refused one should call again."""
