"""The orchestrator: one public stream through all four stages."""
