"""The length in a FLAC file's header."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from barkclient._internal.flac import HEAD_BYTES, with_length


def test_with_length_changes_only_the_length() -> None:
    samples = np.arange(-5000, 5000, dtype=np.int16)
    file = io.BytesIO()
    soundfile.write(file, samples, 22_050, format="FLAC", subtype="PCM_16")
    content = file.getvalue()
    open_end = with_length(content[:HEAD_BYTES], 0)
    assert open_end != content[:HEAD_BYTES]
    assert with_length(open_end, len(samples)) == content[:HEAD_BYTES]
    shorter = soundfile.info(io.BytesIO(with_length(open_end, 7) + content[HEAD_BYTES:]))
    assert (shorter.frames, shorter.samplerate) == (7, 22_050)


def test_libsndfile_refuses_unknown_length_as_documented() -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(5000, np.int16), 22_050, format="FLAC", subtype="PCM_16")
    content = file.getvalue()
    piped = io.BytesIO(with_length(content[:HEAD_BYTES], 0) + content[HEAD_BYTES:])
    with pytest.raises((ValueError, soundfile.LibsndfileError)):
        soundfile.read(piped)
    page = (Path(__file__).parents[2] / "docs/formats.md").read_text()
    assert "refuses FLAC of unknown length: pipe WAV or Ogg Opus into it" in page


def test_with_length_keeps_bytes_it_cannot_change() -> None:
    head = b"fLaC" + bytes(HEAD_BYTES - 4)
    assert with_length(head, 1 << 36) == head
    assert with_length(head[:-1], 1) == head[:-1]
    assert with_length(bytes(HEAD_BYTES), 1) == bytes(HEAD_BYTES)
