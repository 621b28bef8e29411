"""What every service shares: the server, its health, load reports, metrics, TLS and channels."""
