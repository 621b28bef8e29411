"""Decodes audio with FFmpeg, which shares no code with our encoders."""

import io

import av
import numpy as np
from numpy.typing import NDArray


def decode(
    data: bytes, container: str | None = None, **options: str
) -> tuple[NDArray[np.float64], int]:
    """Decode a stream.

    Args:
        data: the whole stream.
        container: FFmpeg's name of the format; needed for raw streams only.
        options: FFmpeg's options of the format.

    Returns:
        (n,) samples from -1 to 1, and their rate in Hz.
    """
    with av.open(io.BytesIO(data), format=container, options=options) as opened:
        stream = opened.streams.audio[0]
        frames = [frame.to_ndarray().ravel() for frame in opened.decode(stream)]
        samples = np.concatenate(frames)
        scale = 1.0 if samples.dtype.kind == "f" else -float(np.iinfo(samples.dtype).min)
        return samples.astype(np.float64) / scale, stream.rate
