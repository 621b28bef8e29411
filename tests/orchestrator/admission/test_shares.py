"""Fair shares of the callers."""

from barkserve.orchestrator.admission.shares import RECENT_S, Shares


def shares_of(**running: int) -> Shares:
    shares = Shares()
    for caller, streams in running.items():
        shares.seen(caller, 0.0)
        for _ in range(streams):
            shares.begin(caller)
    return shares


def test_single_caller_may_use_the_whole_capacity() -> None:
    assert shares_of(greedy=7).room_to_leave("greedy", 8) == 0


def test_caller_beyond_its_share_leaves_room() -> None:
    shares = shares_of(greedy=4, polite=0)
    assert shares.room_to_leave("greedy", 8) == 1
    assert shares.room_to_leave("polite", 8) == 0


def test_caller_at_its_share_is_within_it() -> None:
    shares = shares_of(greedy=3, polite=0)
    assert shares.room_to_leave("greedy", 8) == 0


def test_single_stream_cannot_be_shared() -> None:
    assert shares_of(greedy=0, polite=0).room_to_leave("greedy", 1.5) == 0


def test_callers_are_forgotten_after_a_while() -> None:
    shares = shares_of(greedy=3, polite=0)
    shares.seen("greedy", RECENT_S)
    assert shares.callers == 2
    shares.seen("greedy", RECENT_S + 2)
    assert shares.callers == 1


def test_caller_with_a_stream_keeps_its_share() -> None:
    shares = shares_of(greedy=3, polite=1)
    shares.seen("greedy", 10 * RECENT_S)
    assert shares.callers == 2
    shares.end("polite", 10 * RECENT_S)
    shares.seen("greedy", 10.5 * RECENT_S)
    assert shares.callers == 2
