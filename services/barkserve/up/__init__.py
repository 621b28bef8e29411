"""Runs all services of one machine as child processes."""
