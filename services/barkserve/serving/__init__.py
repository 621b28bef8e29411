"""gRPC plumbing that every service shares. Knows no stage and no torch."""
