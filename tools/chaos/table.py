"""The outcomes as a Markdown table, and the part of a page that contains it."""

from collections.abc import Mapping, Sequence

from tools.chaos.fault import Fault
from tools.chaos.outcome import Outcome

BEGIN, END = "<!-- make chaos: begin -->", "<!-- make chaos: end -->"
_HEAD = (
    "fault", "streams", "lost", "repeated", "wrong",
    "longest silence", "recovery", "goodput", "memory", "holds",
)  # fmt: skip
_MEBIBYTE = 1 << 20


def promises(faults: Sequence[Fault]) -> str:
    """Return the table of faults and promises."""
    rows = [f"| {fault.title} | {fault.promise} |" for fault in faults]
    return "\n".join(["| fault | promise |", "|---|---|", *rows])


def figures(outcomes: Sequence[Outcome], faults: Mapping[str, Fault]) -> str:
    """Return the table of what was measured."""
    rule = "|---" + "|--:" * (len(_HEAD) - 2) + "|---|"
    rows = [_row(outcome, faults[outcome.key]) for outcome in outcomes]
    return "\n".join([f"| {' | '.join(_HEAD)} |", rule, *rows])


def replaced(page: str, section: str) -> str:
    """Return a page with the generated section replaced.

    Raises:
        ValueError: the page has no such section.
    """
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no lines {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{section}\n{END}{tail}"


def _row(outcome: Outcome, fault: Fault) -> str:
    if outcome.skipped:
        cells = [fault.title, *[""] * (len(_HEAD) - 2), f"not run: {outcome.skipped}"]
    else:
        difference = outcome.difference
        refused = [f"{outcome.refused} refused"] if outcome.refused else []
        notes = "; ".join([*outcome.notes, *refused])
        title = f"{fault.title} ({notes})" if notes else fault.title
        cells = [
            title,
            f"{outcome.streams}",
            f"{difference.lost}",
            f"{difference.repeated}",
            f"{difference.wrong}",
            f"{outcome.silence_s:.1f} s",
            f"{outcome.recovery_s:.1f} s",
            f"{outcome.goodput:.1f}",
            f"+{outcome.memory_bytes / _MEBIBYTE:.0f} MiB",
            "no: " + "; ".join(_short(outcome.problems)) if outcome.problems else "yes",
        ]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _short(problems: Sequence[str]) -> list[str]:
    """Return the first problems, each on one line."""
    shown = [" ".join(problem.split())[:160] for problem in problems[:2]]
    left = len(problems) - len(shown)
    return [*shown, f"{left} more"] if left else shown
