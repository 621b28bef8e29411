"""The gateway: HTTP, WebSocket and Wyoming for callers without gRPC."""
