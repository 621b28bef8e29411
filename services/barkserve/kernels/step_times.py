"""Measured times of a decode step on known GPUs, from the files in measured/.

`make tune-gpu` writes such a file. This module needs no Triton.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

Layers = Literal["torch", "fused", "fused_dependent"]
"""What computes the layers of a step.

torch: torch's linear layers (cuBLAS). fused: FusedLayers. fused_dependent: the same with dependent
launch. The files also contain `compiled`, torch.compile: it is measured and not used, because
it takes minutes to start and gained 7% at most where it was the fastest.
"""

_LAYERS: tuple[Layers, ...] = ("torch", "fused", "fused_dependent")


@dataclass(frozen=True)
class StepTimes:
    """Milliseconds per step of one card and one model width, by number of rows and by layers."""

    by_rows: Mapping[int, Mapping[str, float]]

    @classmethod
    def of_card(cls, card: str, hidden: int) -> "StepTimes | None":
        """Find the times of a card, for the model width measured that is nearest to this one.

        Args:
            card: its name, such as "NVIDIA H100 80GB HBM3".
            hidden: width of the model.

        Returns:
            None: the card was not measured.
        """
        for entry in sorted(files("barkserve.kernels").joinpath("measured").iterdir(), key=str):
            table = json.loads(entry.read_text(encoding="utf-8"))
            if any(card.startswith(name) for name in table["cards"]):
                return cls.from_table(table, hidden)
        return None

    @classmethod
    def from_table(cls, table: Mapping[str, Any], hidden: int) -> "StepTimes":
        """Take the times of the nearest model width from the content of a file."""
        nearest = min(table["hidden"], key=lambda width: abs(int(width) - hidden))
        by_rows = table["hidden"][nearest].items()
        return cls({int(rows): times for rows, times in by_rows})

    def fastest(self, rows: int) -> Layers:
        """Return what is fastest for this many rows."""
        times = self._at(rows)
        return min((each for each in _LAYERS if each in times), key=times.__getitem__)

    @property
    def all_fastest(self) -> set[Layers]:
        """What is fastest for some number of rows."""
        return {self.fastest(rows) for rows in self.by_rows}

    def extra_cost(self, layers: Layers, rows: int) -> float:
        """Return the largest share by which these layers are slower for any number up to `rows`."""
        measured = [each for each in sorted(self.by_rows) if each <= rows]
        numbers = {*measured, self._measured(rows)}
        return max(self._extra(layers, number) for number in numbers)

    def _extra(self, layers: Layers, rows: int) -> float:
        times = self.by_rows[rows]
        if layers not in times:
            return float("inf")
        return times[layers] / times[self.fastest(rows)] - 1

    def _at(self, rows: int) -> Mapping[str, float]:
        return self.by_rows[self._measured(rows)]

    def _measured(self, rows: int) -> int:
        """The number of rows whose times hold for this one: the next larger, or the largest."""
        return min((each for each in self.by_rows if each >= rows), default=max(self.by_rows))
