"""One text or context, from its request to its last message."""
