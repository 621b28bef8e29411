"""What the scheduler must know of a runner."""

from dataclasses import dataclass


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
