"""Ctrl-C while a speech comes: the first ends the wait for audio, wherever it strikes; a second one
everything.
"""

import signal
from collections.abc import Iterator
from typing import cast

import pytest

from barkclient import Cancelled
from barkclient.cli.interruptible import Interrupt
from barkclient.client import Synthesis


class Speech:
    """Speaks until it is closed."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def __iter__(self) -> Iterator[str]:
        while not self.closed:
            yield "audio"
        raise Cancelled("closed while it was read")


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    before = signal.getsignal(signal.SIGINT)
    yield Interrupt()
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("heard", [0, 1, 3])
def test_the_first_ends_the_wait_for_audio_and_not_what_is_done_with_it(
    interrupt: Interrupt, heard: int
) -> None:
    speech = Speech()
    chunks = interrupt.chunks(cast("Synthesis", speech))
    for _ in range(heard):
        next(chunks)
    signal.raise_signal(signal.SIGINT)  # raises nothing here
    with pytest.raises(KeyboardInterrupt):
        next(chunks)
    assert speech.closed


def test_a_second_one_is_for_what_hangs_and_none_disturbs_the_farewell(
    interrupt: Interrupt,
) -> None:
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    interrupt.ignore_further()
    signal.raise_signal(signal.SIGINT)


def test_what_breaks_off_by_itself_is_no_interrupt(interrupt: Interrupt) -> None:
    speech = Speech()
    speech.close()
    with pytest.raises(Cancelled):
        next(interrupt.chunks(cast("Synthesis", speech)))
