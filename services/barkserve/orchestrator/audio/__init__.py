"""From a codec's samples to the bytes that a client requested: rate, level, chunks, encoding."""
