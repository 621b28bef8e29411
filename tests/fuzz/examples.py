"""How many examples hypothesis draws: few and always the same, or FUZZ_EXAMPLES new ones."""

import os

from hypothesis import HealthCheck, Phase, settings


def fuzz_settings(few_examples: int) -> settings:
    """The settings of a test; `few_examples` is its number in `make test`."""
    examples = int(os.environ.get("FUZZ_EXAMPLES", "0"))
    return settings(
        max_examples=examples or few_examples,
        derandomize=not examples,
        phases=[Phase.explicit, Phase.generate] + [Phase.shrink] * bool(examples),
        suppress_health_check=list(HealthCheck),
    )
