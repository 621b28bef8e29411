"""The gateway: HTTP and WebSocket in front of the orchestrator, for callers without gRPC."""
