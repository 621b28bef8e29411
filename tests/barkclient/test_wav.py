"""WavWriter: the file is a valid WAV after every write."""

import io
import wave
from pathlib import Path

import pytest

from barkclient import WavWriter
from barkclient._internal.wav import UNKNOWN_SIZE, wav_header
from tests.barkclient.wav_reader import read_wav


def test_header_is_correct_after_every_write(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    with WavWriter(path, 24000) as writer:
        assert read_wav(path.read_bytes()).audio == b""
        for count in range(1, 4):
            writer.write(b"\1\2\3\4")
            wav = read_wav(path.read_bytes())
            assert (wav.audio, wav.rest) == (b"\1\2\3\4" * count, b"")
            assert writer.sample_count == 2 * count


def test_pcm16_is_read_by_the_standard_library(tmp_path: Path) -> None:
    with WavWriter(tmp_path / "out.wav", 16000, "pcm16") as writer:
        writer.write(b"\1\2\3\4")
    with wave.open(str(tmp_path / "out.wav")) as reader:
        assert reader.getparams()[:4] == (1, 2, 16000, 2)
        assert reader.readframes(9) == b"\1\2\3\4"


def test_float32_has_format_3_and_fact_chunk(tmp_path: Path) -> None:
    with WavWriter(tmp_path / "out.wav", 24000, "float32") as writer:
        writer.write(bytes(12))
    wav = read_wav((tmp_path / "out.wav").read_bytes())
    assert (wav.format, wav.channels, wav.sample_rate, wav.bits, wav.fact) == (3, 1, 24000, 32, 3)


def test_file_is_valid_after_exception(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"

    def interrupted() -> None:
        with WavWriter(path, 24000) as writer:
            writer.write(b"\1\2")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert read_wav(path.read_bytes()).audio == b"\1\2"


class Unseekable(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError

    def seek(self, offset: int, whence: int = 0) -> int:
        raise OSError


@pytest.mark.parametrize("encoding", ["pcm16", "float32"])
def test_pipe_has_unknown_sizes(encoding: str) -> None:
    pipe = Unseekable()
    with WavWriter(pipe, 24000, encoding) as writer:
        writer.write(b"\1\2\3\4")
    assert pipe.getvalue() == wav_header(24000, encoding, None) + b"\1\2\3\4"
    assert pipe.getvalue()[4:8] == UNKNOWN_SIZE.to_bytes(4, "little")


def test_callers_file_stays_open_and_keeps_its_beginning() -> None:
    file = io.BytesIO(b"before")
    file.seek(0, io.SEEK_END)
    with WavWriter(file, 24000) as writer:
        writer.write(b"\1\2")
    assert file.getvalue()[:6] == b"before"
    assert read_wav(file.getvalue()[6:]).audio == b"\1\2"


def test_close_may_be_called_twice(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "out.wav", 24000)
    writer.close()
    once = (tmp_path / "out.wav").read_bytes()
    writer.close()
    assert (tmp_path / "out.wav").read_bytes() == once


def test_sizes_above_32_bits_are_unknown() -> None:
    assert wav_header(24000, "pcm16", 2**33).endswith(b"data" + b"\xff" * 4)
