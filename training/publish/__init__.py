"""Export of the checkpoint and its model card."""
