"""NVIDIA Riva's speech synthesis API, translated to and from SpeechService."""
