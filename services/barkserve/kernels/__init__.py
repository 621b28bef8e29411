"""Triton kernels of the decode step. No row's result depends on the other rows of its batch."""
