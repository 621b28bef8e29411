"""Outputs of `barkclient say`: a file, standard output, a sound device."""

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
    """An output of audio chunks."""

    @abstractmethod
    def write(self, chunk: AudioChunk) -> None:
        """Write the next chunk."""

    def finish(self) -> None:
        """Complete the output after the last chunk."""
        return None


class Sinks:
    """All outputs of one synthesis.

    The file is opened with the first chunk. Without audio, an existing file stays as it is.

    Args:
        target: the file and its format.
        play: whether to play the audio too.
        stack: closes what is opened here.

    Raises:
        InvalidRequest: there is no sound device.
    """

    def __init__(self, target: Target, *, play: bool, stack: ExitStack) -> None:
        self._target = target
        self._stack = stack
        self._player = Player(stack) if play else None
        self._file: Sink | None = None

    def record(self, chunk: AudioChunk) -> None:
        """Write a chunk to the file, if there is one."""
        if self._target.output is None:
            return
        with naming(name_of(self._target.output)):
            if self._file is None:
                self._file = self._open(self._target.output, chunk)
            self._file.write(chunk)

    def finish(self) -> None:
        """Complete the file after the last chunk."""
        if self._file is not None:
            with naming(name_of(self._target.output)):
                self._file.finish()

    def play(self, chunk: AudioChunk) -> None:
        """Play a chunk, if requested. Blocks while the device has enough audio."""
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
        # Not sys.stdout: Python would flush it again at exit after the reader closed the pipe.
        stdout = os.fdopen(1, "wb", closefd=False)
        self._stack.enter_context(_closing(stdout, name_of(output)))
        if not wav:
            return _FileSink(stdout)
        writer = WavWriter(stdout, chunk.sample_rate, chunk.encoding, patch_sizes=False)
        return _WavSink(self._stack.enter_context(writer))


@contextmanager
def _closing(file: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Close a file at the end. Closing retries a failed write and may raise its error."""
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
    """Sets the length in the header at the end, if the file is seekable.

    An incomplete file has an unknown length, and so has a pipe.
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
