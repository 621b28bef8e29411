"""Time of each kind of torch module, without the time of the modules inside it."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

PARTS = {
    "PackedLinear": "linear",
    "Int8Linear": "linear",
    "SelfAttention": "attention",
    "LayerNorm": "norms",
}


class ModuleTimes:
    """Sums of the time in each kind of module, over decode steps."""

    def __init__(self) -> None:
        self._open: list[list[float]] = []  # running modules: start, time in their parts
        self._step: defaultdict[str, float] = defaultdict(float)
        self._steps: list[tuple[float, dict[str, float]]] = []

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Time all modules inside this context."""
        hooks = (
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._exit),
        )
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def step(self, elapsed: float | None) -> None:
        """Record the end of a step that took `elapsed` ms; None discards the step."""
        if elapsed is not None:
            self._steps.append((elapsed, self._step))
        self._step = defaultdict[str, float](float)

    def milliseconds(self) -> dict[str, float]:
        """Return the parts of the median step; ``rest`` is embeddings, sampling and Python."""
        elapsed, parts = sorted(self._steps, key=lambda step: step[0])[len(self._steps) // 2]
        found = {f"{part}_ms": round(parts[part], 2) for part in sorted(set(PARTS.values()))}
        return found | {"rest_ms": round(elapsed - sum(parts.values()), 2)}

    def _enter(self, _module: nn.Module, _inputs: Any) -> None:
        self._open.append([time.perf_counter(), 0.0])

    def _exit(self, module: nn.Module, _inputs: Any, _outputs: Any) -> None:
        started, inside = self._open.pop()
        took = 1e3 * (time.perf_counter() - started)
        if self._open:
            self._open[-1][1] += took
        part = PARTS.get(type(module).__name__)
        if part is not None:
            self._step[part] += took - inside
