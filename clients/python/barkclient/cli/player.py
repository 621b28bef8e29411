"""Plays audio on the sound device as it arrives."""

from contextlib import ExitStack
from typing import Any

from barkclient.errors import InvalidRequest
from barkclient.responses import AudioChunk

_TYPES = {"pcm16": "int16", "float32": "float32"}


class Player:
    """The default sound device.

    Args:
        stack: closes the device. Closing waits until all audio has been played.

    Raises:
        InvalidRequest: there is no sound device, or a library is missing.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._library = _sounddevice()
        self._stack = stack
        self._stream: Any = None

    def write(self, chunk: AudioChunk) -> None:
        """Play a chunk. Blocks while the device has enough audio."""
        if self._stream is None:
            self._stream = self._open(chunk)
        self._stream.write(chunk.audio)

    def _open(self, chunk: AudioChunk) -> Any:
        try:
            stream = self._library.RawOutputStream(
                samplerate=chunk.sample_rate, channels=1, dtype=_TYPES[chunk.encoding]
            )
        except self._library.PortAudioError as error:
            raise InvalidRequest(f"--play: the sound device cannot be opened ({error})") from error
        return self._stack.enter_context(stream)


def _sounddevice() -> Any:
    """Import the library and check that there is a device."""
    try:
        import sounddevice
    except ImportError as error:
        raise InvalidRequest("--play needs sounddevice: pip install 'barkclient[play]'") from error
    except OSError as error:
        raise InvalidRequest(
            "--play needs the PortAudio library: apt-get install libportaudio2, or the package of"
            " your system"
        ) from error
    try:
        sounddevice.query_devices(kind="output")
    except (sounddevice.PortAudioError, ValueError) as error:
        raise InvalidRequest(f"--play: this machine has no sound device ({error})") from error
    return sounddevice
