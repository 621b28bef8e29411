"""AAC in ADTS frames, for clients of the OpenAI API that ask for it. Uses FFmpeg through PyAV."""

import io

import numpy as np


class AacEncoder:
    """Encodes mono PCM16 as AAC-LC while it arrives.

    Args:
        sample_rate: in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        import av  # here, so that the gateway starts without FFmpeg's libraries

        self._buffer = io.BytesIO()
        self._container = av.open(self._buffer, mode="w", format="adts")
        self._stream = self._container.add_stream("aac", rate=sample_rate, layout="mono")
        self._frame_of = av.AudioFrame.from_ndarray
        self._sample_rate = sample_rate

    def push(self, pcm16: bytes) -> bytes:
        """Encode samples (little-endian int16); return the complete frames."""
        samples = np.frombuffer(pcm16, "<i2")
        if samples.size:
            frame = self._frame_of(samples[np.newaxis], format="s16", layout="mono")
            frame.sample_rate = self._sample_rate
            self._container.mux(self._stream.encode(frame))
        return self._taken()

    def flush(self) -> bytes:
        """Return the remaining frames. The last call."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._taken()

    def _taken(self) -> bytes:
        taken = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return taken
