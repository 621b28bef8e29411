"""CPU time that the host needs per decode step of a GPU, measured without a GPU."""
