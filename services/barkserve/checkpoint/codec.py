"""What the services must know of an audio codec. EncodecConfig implements it.

To support another codec, write a configuration with these properties, and a decoder that takes
DecodeJobs (see codec/decoder.py).
"""

from typing import Protocol


class Codec(Protocol):
    """The rates of a codec and the limits of its streaming decoder."""

    @property
    def sample_rate(self) -> int:
        """Samples per second, Hz."""

    @property
    def hop_length(self) -> int:
        """Samples per frame."""

    @property
    def frame_rate(self) -> float:
        """Frames per second."""

    @property
    def first_frames(self) -> int:
        """Minimum length of an utterance's first chunk, unless the utterance is shorter."""

    @property
    def warm_up_frames(self) -> int:
        """Number of past frames from which a decoder without state recovers its state."""
