"""StreamingSynthesize over a WebSocket: JSON control messages and binary audio."""
