"""Chooses when streaming utterances are filled: by the options, and by the time of a fill.

A chunk costs a whole window, however few frames it releases. A slow device therefore gets fewer and
longer chunks. Times are rounded up to powers of two, so that equal replicas choose equal plans.
"""

import math

from barkserve.fine.windows import ChunkPlan

_CHUNKS = ((1.25, 75), (1.5, 150), (2.0, 300), (3.0, 512), (4.0, 512))
"""Growth and most frames, by the time of a fill: up to 0.25 s, 0.5 s, 1 s, 2 s, and above."""

_FAST_FILL_S = 0.25

FIRST_FRAMES = 22
"""Frames of the first chunk: 0.3 s."""

_SHORT_FIRST_FRAMES = 15
_SHORT_FIRST_FILL_S = 0.05
"""15 frames play for 0.2 s. A fill takes a quarter of that, and leaves the rest to coarse."""


class ChunkPlanner:
    """The plan of a replica.

    Args:
        first: frames of the first chunk; 0: by the time of a fill.
        growth: ratio of the lengths of successive chunks; 0: by the time of a fill.
        most: most frames of a later chunk; 0: by the time of a fill.
        lookahead: known frames to the right of a released frame.
        window: most frames that the model can fill in one window.

    Attributes:
        plan: the plan of calls that carry none.
        fill_s: the time of a fill in seconds, as measured; 0 before.
    """

    def __init__(self, first: int, growth: float, most: int, lookahead: int, window: int) -> None:
        self._first = first
        self._growth = growth
        self._most = most
        self._lookahead = lookahead
        self._window = window
        self.fill_s = 0.0
        self.plan = self._plan()

    def note_fill(self, seconds: float) -> None:
        """Choose the plan for a device that needs this time to fill a window."""
        self.fill_s = seconds
        self.plan = self._plan()

    def checked(self, plan: ChunkPlan) -> ChunkPlan:
        """A plan of a call, with chunks that fit into the model's window."""
        return ChunkPlan(plan.first, plan.growth, min(plan.most, self._window), plan.lookahead)

    def _plan(self) -> ChunkPlan:
        slowness = math.ceil(math.log2(max(self.fill_s, _FAST_FILL_S) / _FAST_FILL_S))
        growth, most = _CHUNKS[min(slowness, len(_CHUNKS) - 1)]
        short = 0 < self.fill_s <= _SHORT_FIRST_FILL_S
        first = self._first or (_SHORT_FIRST_FRAMES if short else FIRST_FRAMES)
        return self.checked(
            ChunkPlan(first, self._growth or growth, self._most or most, self._lookahead)
        )
