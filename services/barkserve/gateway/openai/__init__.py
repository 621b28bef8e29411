"""The speech part of OpenAI's HTTP API."""
