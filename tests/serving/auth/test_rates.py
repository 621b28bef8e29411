"""Token buckets: what is taken, and how long to wait for the rest."""

from barkserve.serving.auth.rates import CallerRates


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_bucket_gives_a_burst_and_then_the_rate() -> None:
    clock = Clock()
    rates = CallerRates(clock)
    assert [rates.take("bot", 1, rate=2.0, burst=3) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    clock.now = 0.5
    assert rates.take("bot", 1, rate=2.0, burst=3) == 0.0
    assert rates.take("bot", 3, rate=2.0, burst=3) == 1.5


def test_waiting_as_told_is_always_enough() -> None:
    clock = Clock()
    rates = CallerRates(clock)
    for step in range(1000):
        wait_s = rates.take("bot", 1 + step % 7, rate=0.3, burst=7)
        if wait_s:
            clock.now += wait_s
            assert rates.take("bot", 1 + step % 7, rate=0.3, burst=7) == 0.0


def test_callers_have_buckets_of_their_own() -> None:
    rates = CallerRates(Clock())
    assert rates.take("one", 1, rate=1.0, burst=1) == 0.0
    assert rates.take("two", 1, rate=1.0, burst=1) == 0.0
    assert rates.take("one", 1, rate=1.0, burst=1) == 1.0


def test_full_buckets_are_forgotten() -> None:
    clock = Clock()
    rates = CallerRates(clock)
    for number in range(10_000):
        clock.now = number
        assert rates.take(f"address {number}", 1, rate=1.0, burst=1) == 0.0
    assert len(rates._full_at) <= 1024
