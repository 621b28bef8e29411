"""The engine: tokens and slots, continuous batching. Knows no Bark, no gRPC."""
