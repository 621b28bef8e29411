"""FFmpeg's decoders, which share no code with those that encode for us."""

import io

import av
import numpy as np
from numpy.typing import NDArray


def decode(
    data: bytes, container: str | None = None, **options: str
) -> tuple[NDArray[np.float64], int]:
    """Samples (n,), -1 to 1, and their rate; a raw stream needs FFmpeg's name for it."""
    with av.open(io.BytesIO(data), format=container, options=options) as opened:
        stream = opened.streams.audio[0]
        frames = [frame.to_ndarray().ravel() for frame in opened.decode(stream)]
        samples = np.concatenate(frames)
        scale = 1.0 if samples.dtype.kind == "f" else -float(np.iinfo(samples.dtype).min)
        return samples.astype(np.float64) / scale, stream.rate
