"""Measures the audio of a synthesis as it arrives, and shows its progress."""

import time
from typing import TextIO

from barkclient.responses import AudioChunk

_CLEAR_LINE = "\r\x1b[K"


class Meter:
    """Counts audio from the moment of its creation, which is when the request is sent.

    Args:
        progress: where to show progress; None: nowhere.
        characters: length of the text; None: not known yet.
    """

    def __init__(self, progress: TextIO | None, characters: int | None = None) -> None:
        self.segments = 0
        self._characters = characters
        self._spoken_to = 0
        self.chunks = 0
        self.samples = 0
        self._sample_rate = 1
        self._sent_at = self._first_at = self._last_at = time.monotonic()
        self._progress = progress
        self._same_line = progress is not None and progress.isatty()
        self._shown_s = 0

    @property
    def audio_seconds(self) -> float:
        """Seconds of audio that have arrived."""
        return self.samples / self._sample_rate

    @property
    def ttfa_ms(self) -> float:
        """Time to first audio in milliseconds."""
        return 1000 * (self._first_at - self._sent_at)

    @property
    def rtf(self) -> float | None:
        """Real-time factor: seconds until the last audio per second of audio."""
        return (self._last_at - self._sent_at) / self.audio_seconds if self.samples else None

    def add(self, chunk: AudioChunk) -> None:
        """Count a chunk that has just arrived."""
        self._last_at = time.monotonic()
        if self.chunks == 0:
            self._first_at = self._last_at
            self._sample_rate = chunk.sample_rate
        self.chunks += 1
        self.samples += chunk.sample_count
        if chunk.text_end > self._spoken_to:
            self.segments += 1
            self._spoken_to = chunk.text_end
        self._show()

    def end(self) -> None:
        """Clear the progress line of a terminal."""
        if self._progress is not None and self._same_line:
            self._progress.write(_CLEAR_LINE)
            self._progress.flush()

    def _show(self) -> None:
        if self._progress is None:
            return
        text = f" s of audio{self._position()}"
        if self._same_line:
            self._progress.write(f"{_CLEAR_LINE}{self.audio_seconds:.1f}{text}")
            self._progress.flush()
        elif self.chunks == 1:
            print(f"first audio after {self.ttfa_ms:.0f} ms", file=self._progress)
        elif int(self.audio_seconds) > self._shown_s:
            self._shown_s = int(self.audio_seconds)
            print(f"{self._shown_s}{text}", file=self._progress)

    def _position(self) -> str:
        """The position in the text, if it has several segments."""
        if self._characters is None:
            return f", character {self._spoken_to}" if self._spoken_to else ""
        if self.segments == 0 or (self.segments == 1 and self._spoken_to >= self._characters):
            return ""
        percent = 100 * self._spoken_to / self._characters
        return f", segment {self.segments}, {percent:.0f}% of the text"
