"""Text as it is written, cut into pieces that one utterance can hold."""
