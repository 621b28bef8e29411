"""What the scheduler must know of a runner. Loads no torch: the simulation has the same limits."""

from dataclasses import dataclass

PORTION = 320
"""Positions of a prompt in one captured prefill: the whole prompt of the semantic model."""

PROMPT_ROWS = 4
"""Most rows of a captured prefill."""

CAPTURED_STEPS = (1, 2, 4, 8)
"""Lengths of captured bursts."""

_STEPS_BETWEEN_PROMPTS = 4  # of CAPTURED_STEPS: they take about as long as a prefill


@dataclass(frozen=True)
class Limits:
    """The limits of a runner.

    Attributes:
        slots: number of requests that can run at once.
        in_flight: number of batches to launch before the first is collected.
        portion: most positions of each prompt in a prefill; None: no limit.
        prompt_positions: most positions in a prefill of several prompts.
        padded: prompts of different lengths can share a prefill.
        steps: the lengths of bursts, ascending; None: any.
        steps_between_prompts: length of a burst that prompts wait for.
    """

    slots: int
    in_flight: int = 1
    portion: int | None = None
    prompt_positions: int = 1
    padded: bool = False
    steps: tuple[int, ...] | None = None
    steps_between_prompts: int = 1

    @classmethod
    def captured(cls, slots: int, in_flight: int = 1, *, prompts_together: bool = True) -> "Limits":
        """Return the limits of a runner whose batches are captured graphs.

        Args:
            slots: number of requests that can run at once.
            in_flight: number of batches to launch before the first is collected.
            prompts_together: whether several prompts share a prefill.
        """
        return cls(
            slots,
            in_flight,
            portion=PORTION,
            prompt_positions=PROMPT_ROWS * PORTION if prompts_together else 1,
            padded=True,
            steps=CAPTURED_STEPS,
            steps_between_prompts=_STEPS_BETWEEN_PROMPTS,
        )
