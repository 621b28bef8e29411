"""Memory and event-loop delays of one process at one time."""

from dataclasses import dataclass

from tools.chaos.replica import Replica

STALL_S = 0.1
_LAG = "barkserve_event_loop_lag_seconds"
_LONGEST_LAG = "barkserve_event_loop_longest_lag_seconds"
_LONGEST_CPU = "barkserve_event_loop_longest_cpu_seconds"


@dataclass(frozen=True)
class Sample:
    """One process.

    Attributes:
        pid: of the process.
        rss_bytes: its resident memory.
        stalls: number of event-loop delays above 100 ms since its start.
        longest_lag_s: the longest one.
        longest_cpu_s: most CPU time that the event loop used in a row. Far below the longest delay:
            other processes kept the CPU.
    """

    pid: int
    rss_bytes: int
    stalls: int
    longest_lag_s: float
    longest_cpu_s: float


async def take(replica: Replica) -> Sample:
    """Read a process."""
    metrics = await replica.metrics()
    return Sample(
        replica.pid,
        replica.rss_bytes(),
        int(metrics.get(f"{_LAG}_count", 0) - metrics.get(f"{_LAG}_bucket:{STALL_S}", 0)),
        metrics.get(_LONGEST_LAG, 0.0),
        metrics.get(_LONGEST_CPU, 0.0),
    )
