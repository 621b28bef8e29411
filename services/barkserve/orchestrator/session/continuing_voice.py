"""The voice that continues a session: the tokens of its last segments."""

from collections import deque

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.orchestrator.synthesis.utterance import Spoken
from barkserve.v1 import common_pb2

VOICE_FRAMES = 750
"""A continuing voice holds the last segments that make at least this many frames (10 s)."""


class ContinuingVoice:
    """Keeps the last segments of a session.

    Args:
        config: the checkpoint's.
    """

    def __init__(self, config: BarkConfig) -> None:
        self._config = config
        self._segments: deque[Spoken] = deque()
        self._frames = 0

    def add(self, spoken: Spoken) -> None:
        """Keep a complete segment; drop those before it that are not needed any more."""
        self._segments.append(spoken)
        self._frames += self._frame_count(spoken)
        while len(self._segments) > 1:
            rest = self._frames - self._frame_count(self._segments[0])
            if rest < VOICE_FRAMES:
                return
            self._segments.popleft()
            self._frames = rest

    def clear(self) -> None:
        """Drop all segments: another voice speaks."""
        self._segments.clear()
        self._frames = 0

    def history_prompt(self) -> common_pb2.HistoryPrompt:
        """The voice as a message."""
        voice = common_pb2.HistoryPrompt()
        for spoken in self._segments:
            voice.semantic_prompt.extend(spoken.semantic)
            voice.coarse_prompt.extend(code % self._config.codebook_size for code in spoken.coarse)
            voice.fine_prompt.extend(spoken.fine)
        return voice

    def _frame_count(self, spoken: Spoken) -> int:
        return len(spoken.fine) // self._config.fine_generation.n_fine_codebooks
