"""What a check found."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from barkserve.errors import BarkserveError


class State(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: what was checked, such as "ports".
        state: how bad it is.
        detail: what was found.
        remedy: what to do; empty if all is well.
    """

    check: str
    state: State
    detail: str
    remedy: str = ""


def ok(check: str, detail: str) -> Finding:
    """A check without a complaint."""
    return Finding(check, State.OK, detail)


def warning(check: str, detail: str, remedy: str) -> Finding:
    """Something that works, but not as well as it could."""
    return Finding(check, State.WARNING, detail, remedy)


def problem(check: str, detail: str, remedy: str) -> Finding:
    """Something that does not work."""
    return Finding(check, State.PROBLEM, detail, remedy)


def problem_of(check: str, error: BarkserveError) -> Finding:
    """The problem that an error describes. Its text ends with what to do, after the last colon."""
    detail, colon, remedy = str(error).rpartition(": ")
    return problem(check, detail, remedy) if colon else problem(check, remedy, "see the message")


def failures(check: str, *attempts: Callable[[], object]) -> Iterator[Finding]:
    """Yield a problem for each attempt that raises one of our errors."""
    for attempt in attempts:
        found: list[Finding] = []
        with collecting(check, found):
            attempt()
        yield from found


@contextmanager
def collecting(check: str, found: list[Finding]) -> Iterator[None]:
    """Add a problem to `found` if the block raises one of our errors."""
    try:
        yield
    except BarkserveError as error:
        found.append(problem_of(check, error))
