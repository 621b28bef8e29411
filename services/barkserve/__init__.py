"""barkserve: Suno's Bark text-to-speech as a chain of gRPC services."""
