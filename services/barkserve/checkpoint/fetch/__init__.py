"""One service's share of a checkpoint, in a folder of its own."""
