"""Stands in for sounddevice where there is no sound device: it writes played.raw."""

from types import TracebackType
from typing import Self


class PortAudioError(Exception):
    pass


def query_devices(kind: str) -> None:
    assert kind == "output"


class RawOutputStream:
    def __init__(self, *, samplerate: int, channels: int, dtype: str) -> None:
        assert (samplerate, channels, dtype) == (24000, 1, "int16")

    def __enter__(self) -> Self:
        self._file = open("played.raw", "wb")
        return self

    def write(self, audio: bytes) -> None:
        self._file.write(audio)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
