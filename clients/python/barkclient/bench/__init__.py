"""Measures a server under load: what is asked, what came when, what it means for a listener."""
