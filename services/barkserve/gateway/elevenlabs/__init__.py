"""The text-to-speech part of ElevenLabs' HTTP and WebSocket API."""
