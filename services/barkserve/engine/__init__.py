"""The engine: continuous batching over slots of a key/value cache. Knows no Bark and no gRPC."""
