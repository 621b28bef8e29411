"""Progress of `barkclient say`: one updated line on a terminal, plain lines elsewhere."""

import dataclasses
import io

from barkclient import AudioChunk
from barkclient.cli.meter import Meter

QUARTER_SECOND = AudioChunk(
    audio=bytes(12000),
    first_sample=0,
    sample_count=6000,
    sample_rate=24000,
    encoding="pcm16",
    text_start=0,
    text_end=0,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def quarter_second(meter: Meter) -> None:
    meter.add(QUARTER_SECOND)


def test_terminal_shows_one_updated_line() -> None:
    meter = Meter(terminal := Terminal())
    for _ in range(2):
        quarter_second(meter)
    meter.end()
    assert terminal.getvalue().split("\r\x1b[K") == ["", "0.2 s of audio", "0.5 s of audio", ""]


def test_log_has_one_line_per_second() -> None:
    meter = Meter(log := io.StringIO())
    for _ in range(9):
        quarter_second(meter)
    meter.end()
    first, *rest = log.getvalue().splitlines()
    assert first.startswith("first audio after ")
    assert rest == ["1 s of audio", "2 s of audio"]


def test_progress_shows_position_in_long_text() -> None:
    meter = Meter(terminal := Terminal(), characters=200)
    for end in (50, 50, 200):
        meter.add(dataclasses.replace(QUARTER_SECOND, text_end=end))
    assert terminal.getvalue().split("\r\x1b[K")[1:] == [
        "0.2 s of audio, segment 1, 25% of the text",
        "0.5 s of audio, segment 1, 25% of the text",
        "0.8 s of audio, segment 2, 100% of the text",
    ]


def test_progress_has_no_percentage_for_typed_text() -> None:
    meter = Meter(terminal := Terminal())
    meter.add(dataclasses.replace(QUARTER_SECOND, text_end=7))
    assert terminal.getvalue().endswith("0.2 s of audio, character 7")


def test_meter_counts_chunks_and_samples() -> None:
    meter = Meter(None)
    assert (meter.rtf, meter.audio_seconds) == (None, 0)
    for _ in range(2):
        quarter_second(meter)
    assert (meter.chunks, meter.samples, meter.audio_seconds) == (2, 12000, 0.5)
    assert meter.rtf is not None
