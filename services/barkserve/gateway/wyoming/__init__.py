"""The Wyoming protocol, which Home Assistant speaks: events over TCP."""
