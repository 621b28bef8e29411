"""`barkserve doctor`: runs all checks and prints what they found."""

import json
import shutil
import textwrap
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TextIO

from barkserve.config.doctor import DoctorOptions
from barkserve.doctor.checkpoint import check_weights
from barkserve.doctor.device import check_device
from barkserve.doctor.finding import Finding, State
from barkserve.doctor.machine import check_clock, check_cores, check_files
from barkserve.doctor.ports import check_ports
from barkserve.doctor.proxies import check_proxies
from barkserve.doctor.replicas import check_replicas
from barkserve.doctor.settings import (
    check_callers,
    check_certificates,
    check_options,
    check_variables,
    check_voice_store,
)

_CHECKS: tuple[Callable[[DoctorOptions], Iterable[Finding]], ...] = (
    check_options,
    check_cores,
    check_files,
    check_clock,
    check_device,
    check_weights,
    check_certificates,
    check_callers,
    check_voice_store,
)
_MARKS = {State.OK: "ok", State.WARNING: "warning", State.PROBLEM: "PROBLEM"}
_COLORS = {State.OK: "32", State.WARNING: "33", State.PROBLEM: "31;1"}
_FIRST_COLUMNS = 24


async def doctor(
    options: DoctorOptions, unknown: Sequence[str], variables: Mapping[str, str], out: TextIO
) -> int:
    """Check this machine, and the services that the options name.

    Args:
        options: the options of the command.
        unknown: BARKSERVE_ variables that are not options.
        variables: the environment.
        out: gets a table, or one JSON object.

    Returns:
        The exit code: 1 if there is a problem, else 0.
    """
    found = [each async for each in _findings(options, unknown, variables)]
    healthy = all(each.state is not State.PROBLEM for each in found)
    if options.json:
        result = {"healthy": healthy, "findings": [asdict(each) for each in found]}
        print(json.dumps(result), file=out)
    else:
        print("\n".join(_table(found, out.isatty())), file=out)
    return 0 if healthy else 1


async def _findings(
    options: DoctorOptions, unknown: Sequence[str], variables: Mapping[str, str]
) -> AsyncIterator[Finding]:
    for finding in check_variables(unknown):
        yield finding
    for check in _CHECKS:
        for finding in check(options):
            yield finding
    for checked in (
        check_ports(options),
        check_proxies(options, variables),
        check_replicas(options),
    ):
        async for finding in checked:
            yield finding


def _table(found: Sequence[Finding], colored: bool) -> Iterator[str]:
    """Yield the lines of a table: the state, the check, what was found, and what to do."""
    width = max(40, shutil.get_terminal_size().columns - _FIRST_COLUMNS)
    for each in found:
        mark = f"{_MARKS[each.state]:8}"
        if colored:
            mark = f"\x1b[{_COLORS[each.state]}m{mark}\x1b[0m"
        first, *rest = textwrap.wrap(each.detail, width, break_long_words=False) or [""]
        yield f"{mark} {each.check:14} {first}"
        remedy = textwrap.wrap(f"-> {each.remedy}", width) if each.remedy else []
        for line in (*rest, *remedy):
            yield f"{'':{_FIRST_COLUMNS - 1}} {line}".rstrip()
    counts = {state: sum(each.state is state for each in found) for state in State}
    yield f"{counts[State.PROBLEM]} problems, {counts[State.WARNING]} warnings"
