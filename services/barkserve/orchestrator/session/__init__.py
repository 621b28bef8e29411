"""One text or context of a call, from its first message to its last."""
