"""Whether memory stayed flat and no event loop stalled."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from tools.soak.sample import Sample

_MEBIBYTE = 1 << 20
_ALLOWED_SHARE = 0.05
_ALLOWED_BYTES = 16 * _MEBIBYTE


@dataclass(frozen=True)
class Verdict:
    """The judgment of one process.

    Attributes:
        name: of the replica.
        growth_bytes: growth between the second and the last quarter of the run.
        flat: whether that is within 5% and 16 MiB.
        stalls: delays of its event loop above 100 ms.
        restarted: whether the process ended during the run.
    """

    name: str
    growth_bytes: int
    flat: bool
    stalls: int
    restarted: bool

    @property
    def holds(self) -> bool:
        """Whether the process passes."""
        return self.flat and not self.stalls and not self.restarted


def judge(name: str, samples: Sequence[Sample]) -> Verdict:
    """Judge a process by its samples, which are equally far apart. The first quarter is warm-up."""
    quarter = max(1, len(samples) // 4)
    before = fmean(sample.rss_bytes for sample in samples[quarter : 2 * quarter])
    growth = int(fmean(sample.rss_bytes for sample in samples[-quarter:]) - before)
    return Verdict(
        name,
        growth,
        growth <= before * _ALLOWED_SHARE + _ALLOWED_BYTES,
        samples[-1].stalls - samples[0].stalls,
        len({sample.pid for sample in samples}) > 1,
    )
