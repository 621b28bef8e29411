"""CPU time of all processes of the host, with models that only wait."""
