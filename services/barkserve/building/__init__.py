"""One module a service: builds it from its parts. Each is imported only where its service runs."""
