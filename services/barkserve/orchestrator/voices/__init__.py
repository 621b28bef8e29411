"""The voices that requests can use: those of the checkpoint and those that clients created."""
