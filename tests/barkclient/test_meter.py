"""The progress lines: one line that changes on a terminal, few plain lines elsewhere."""

import io

from barkclient import AudioChunk
from barkclient.commands.meter import Meter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def quarter_second(meter: Meter) -> None:
    meter.add(AudioChunk(bytes(12000), meter.samples, 24000, "pcm16", 0, 5))


def test_a_terminal_has_one_line_that_changes() -> None:
    meter = Meter(terminal := Terminal())
    for _ in range(2):
        quarter_second(meter)
    meter.end()
    assert terminal.getvalue().split("\r\x1b[K") == ["", "0.2 s of audio", "0.5 s of audio", ""]


def test_a_log_has_a_line_a_second() -> None:
    meter = Meter(log := io.StringIO())
    for _ in range(9):
        quarter_second(meter)
    meter.end()
    first, *rest = log.getvalue().splitlines()
    assert first.startswith("first audio after ")
    assert rest == ["1 s of audio", "2 s of audio"]


def test_counts() -> None:
    meter = Meter(None)
    assert (meter.rtf, meter.audio_seconds) == (None, 0)
    for _ in range(2):
        quarter_second(meter)
    assert (meter.chunks, meter.samples, meter.audio_seconds) == (2, 12000, 0.5)
    assert meter.rtf is not None
