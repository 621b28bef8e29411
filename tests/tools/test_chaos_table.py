"""The table of `make chaos`, and the page that it is written to."""

import pytest

from tools.chaos.comparison import Difference
from tools.chaos.fault import Fault
from tools.chaos.faults.process import nothing
from tools.chaos.outcome import Outcome
from tools.chaos.table import BEGIN, END, figures, replaced

FAULTS = {"none": Fault("none", "no fault", "Nothing happens.", nothing)}


def last_row(outcome: Outcome) -> str:
    return figures([outcome], FAULTS).splitlines()[-1]


def test_figures_show_a_promise_that_holds() -> None:
    outcome = Outcome(
        "none", streams=6, refused=2, silence_s=0.26, recovery_s=1.24, goodput=0.94,
        memory_bytes=3 << 20, notes=["fine"],
    )  # fmt: skip
    assert last_row(outcome) == (
        "| no fault (fine; 2 refused) | 6 | 0 | 0 | 0 | 0.3 s | 1.2 s | 0.9 | +3 MiB | yes |"
    )


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome("none", streams=1, difference=Difference(wrong=1)), "no: Difference("),
        (Outcome("none", streams=1, failed=["ServerError: a | b\nc"]), "no: ServerError: a / b c"),
        (Outcome("none"), "no: no stream was spoken"),
        (Outcome("none", skipped="needs a network"), "not run: needs a network"),
    ],
)
def test_figures_say_why_a_row_does_not_hold(outcome: Outcome, expected: str) -> None:
    assert f"| {expected}" in last_row(outcome)


def test_replaced_keeps_the_rest_of_the_page() -> None:
    page = f"# A\n\n{BEGIN}\nold\n{END}\n\nrest\n"
    assert replaced(page, "new") == f"# A\n\n{BEGIN}\nnew\n{END}\n\nrest\n"
    with pytest.raises(ValueError, match="has no lines"):
        replaced("# A\n", "new")
