"""Where `barkclient say` puts audio as it comes: a file, standard output, a sound device."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

from barkclient._internal.flac import HEAD_BYTES, with_length
from barkclient._internal.wav import WavWriter
from barkclient.cli.files import naming
from barkclient.cli.formats import Target
from barkclient.cli.player import Player
from barkclient.cli.report import name_of
from barkclient.responses import AudioChunk

STANDARD = "-"


class Sink(ABC):
    """Takes chunks."""

    @abstractmethod
    def write(self, chunk: AudioChunk) -> None:
        """The next one."""

    def finish(self) -> None:
        """All chunks have come."""
        return None


class Sinks:
    """All places for one synthesis, each opened with the first chunk: without audio there is no
    file, and an older one stays.
    """

    def __init__(self, target: Target, *, play: bool, stack: ExitStack) -> None:
        self._target = target
        self._stack = stack
        self._player = Player(stack) if play else None  # that there is no device is said at once
        self._file: Sink | None = None

    def record(self, chunk: AudioChunk) -> None:
        """Into the file, if there is to be one."""
        if self._target.output is None:
            return
        with naming(name_of(self._target.output)):
            if self._file is None:
                self._file = self._open(self._target.output, chunk)
            self._file.write(chunk)

    def finish(self) -> None:
        """The speech is whole: so is the file."""
        if self._file is not None:
            with naming(name_of(self._target.output)):
                self._file.finish()

    def play(self, chunk: AudioChunk) -> None:
        """On the device, if it is to be heard; waits while there is enough to play."""
        if self._player is not None:
            self._player.write(chunk)

    def _open(self, output: str, chunk: AudioChunk) -> Sink:
        wav = self._target.format == "wav"
        if output != STANDARD and wav:
            writer = WavWriter(output, chunk.sample_rate, chunk.encoding)
            return _WavSink(self._stack.enter_context(writer))
        if output != STANDARD:
            kind = _FlacSink if self._target.format == "flac" else _FileSink
            return kind(self._stack.enter_context(_closing(open(output, "wb"), output)))
        # An own file object: Python's would try once more to write what a closed pipe has refused.
        stdout = os.fdopen(1, "wb", closefd=False)
        self._stack.enter_context(_closing(stdout, name_of(output)))
        if not wav:
            return _FileSink(stdout)
        writer = WavWriter(stdout, chunk.sample_rate, chunk.encoding, patch_sizes=False)
        return _WavSink(self._stack.enter_context(writer))


@contextmanager
def _closing(file: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """What could not be written is tried once more at the end."""
    try:
        yield file
    finally:
        with naming(name):
            file.close()


class _WavSink(Sink):
    def __init__(self, wav: WavWriter) -> None:
        self._wav = wav

    def write(self, chunk: AudioChunk) -> None:
        self._wav.write(chunk.audio)


class _FileSink(Sink):
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, chunk: AudioChunk) -> None:
        self._file.write(chunk.audio)
        self._file.flush()


class _FlacSink(_FileSink):
    """Of a file that can seek, the header says in the end how long it is; one that was broken off
    is of unknown length, as a pipe is.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._head = b""
        self._samples = 0

    def write(self, chunk: AudioChunk) -> None:
        super().write(chunk)
        self._head += chunk.audio[: HEAD_BYTES - len(self._head)]
        self._samples += chunk.sample_count

    def finish(self) -> None:
        if self._file.seekable():
            self._file.seek(0)
            self._file.write(with_length(self._head, self._samples))
            self._file.flush()
