"""The limit and the pauses of restarts."""

from barkserve.up.restart_budget import RestartBudget


def test_pause_doubles_until_the_limit_is_reached() -> None:
    budget = RestartBudget(limit=3, window_s=300)
    assert [budget.take(now) for now in (0, 10, 20, 30)] == [0.5, 1, 2, None]
    assert budget.used == 3


def test_pause_has_an_upper_limit() -> None:
    budget = RestartBudget(limit=100, window_s=300)
    assert [budget.take(now) for now in range(20)][-1] == 30


def test_old_restarts_do_not_count() -> None:
    budget = RestartBudget(limit=2, window_s=300)
    assert [budget.take(now) for now in (0, 100, 299, 300, 399)] == [0.5, 1, None, 1, None]
    assert budget.take(1000) == 0.5


def test_limit_of_zero_allows_no_restart() -> None:
    assert RestartBudget(limit=0, window_s=300).take(0) is None
