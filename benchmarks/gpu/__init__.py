"""One command that measures barkserve and transformers on one card, in a given time."""
