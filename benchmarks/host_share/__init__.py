"""What the host costs per decode step beside a GPU, measured on a CPU."""
