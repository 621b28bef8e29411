"""The orchestrator: the public service, which speaks through all four stages."""
