"""Ctrl-C during a synthesis: the first ends the wait for audio, the second ends everything."""

import signal
from collections.abc import Iterator
from typing import cast

import pytest

from barkclient import Cancelled
from barkclient.cli.interruptible import Interrupt
from barkclient.client import Synthesis


class Speech:
    """Yields chunks until it is closed."""

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


@pytest.mark.parametrize("read", [0, 1, 3])
def test_first_interrupt_ends_only_the_wait_for_audio(interrupt: Interrupt, read: int) -> None:
    speech = Speech()
    chunks = interrupt.chunks(cast("Synthesis", speech))
    for _ in range(read):
        next(chunks)
    signal.raise_signal(signal.SIGINT)  # raises nothing here
    with pytest.raises(KeyboardInterrupt):
        next(chunks)
    assert speech.closed


def test_second_interrupt_raises_until_ignored(
    interrupt: Interrupt,
) -> None:
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    interrupt.ignore_further()
    signal.raise_signal(signal.SIGINT)


def test_failed_synthesis_is_not_an_interrupt(interrupt: Interrupt) -> None:
    speech = Speech()
    speech.close()
    with pytest.raises(Cancelled):
        next(interrupt.chunks(cast("Synthesis", speech)))
