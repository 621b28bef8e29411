"""Chooses what computes the layers of a decode step, by device, batch size and --deterministic."""

from dataclasses import dataclass
from typing import Literal

import torch

from barkserve.checkpoint.bark_config import CausalConfig
from barkserve.errors import StartupError
from barkserve.kernels.step_times import Layers, StepTimes
from barkserve.models.device import DeviceCapabilities

Deterministic = Literal["on", "off", "auto"]

_WORTH = 0.1  # auto: what bit-equal results may cost
_DTYPES = (torch.float16, torch.bfloat16)
_HEAD_DIMS = (16, 32, 64, 128)
_WIDEST = 1024  # a tile of a wider model does not fit into the registers


@dataclass(frozen=True)
class DecodePlan:
    """What computes the layers of a decode step.

    Attributes:
        deterministic: a row's bits do not depend on the other rows. Prompts are then computed one
            at a time too.
        fixed: what computes every batch; None: by `times`.
        times: measured times; None: torch computes every batch.
        single_rows: the layers compute one row at a time.
    """

    deterministic: bool = False
    fixed: Layers | None = None
    times: StepTimes | None = None
    single_rows: bool = False

    def layers(self, rows: int) -> Layers:
        """Return what computes a batch of this size."""
        if self.fixed is not None:
            return self.fixed
        return "torch" if self.times is None else self.times.fastest(rows)

    def __str__(self) -> str:
        """Describe the plan in a log."""
        if self.single_rows:
            return "torch, row by row (deterministic)"
        if self.fixed is not None:
            return f"{self.fixed}{' (deterministic)' if self.deterministic else ''}"
        if self.times is None:
            return "torch"
        sizes = sorted(self.times.by_rows)
        return ", ".join(f"{self.layers(rows)} up to {rows} rows" for rows in sizes)

    @property
    def kernels(self) -> set[Layers]:
        """All kernels that compute some batch, without torch's layers."""
        if self.fixed is not None:
            return {self.fixed} - {"torch"}
        return set() if self.times is None else self.times.all_fastest - {"torch"}

    @classmethod
    def choose(
        cls,
        deterministic: Deterministic,
        config: CausalConfig,
        capabilities: DeviceCapabilities,
        dtype: torch.dtype,
        slots: int,
        fusable: bool,
    ) -> "DecodePlan":
        """Choose for a model.

        Args:
            deterministic: the value of --deterministic.
            config: the shapes of the model.
            capabilities: of its device.
            dtype: of its activations.
            slots: most rows of a batch.
            fusable: Triton runs, and the attention backend allows this project's kernels.

        Raises:
            StartupError: --deterministic on, and no kernels for it.
        """
        fusable = fusable and capabilities.runs_triton
        fused = fusable and dtype in _DTYPES and _fits(config)
        times = StepTimes.of_card(capabilities.card, config.hidden_size) if fused else None
        kernels: Layers = "fused_dependent" if capabilities.launches_dependents else "fused"
        if deterministic == "auto" and times is not None:
            deterministic = "on" if times.extra_cost(kernels, slots) <= _WORTH else "off"
        if deterministic != "on":
            return cls(times=times)
        if fused:
            return cls(deterministic=True, fixed=kernels)
        if capabilities.is_host or fusable:
            return cls(deterministic=True, single_rows=True)
        raise StartupError(
            "--deterministic on needs --device cpu, or --device cuda with an NVIDIA GPU from "
            "Ampere on, a C compiler for Triton, and --attention auto, triton or flash; use "
            "--deterministic off"
        )


def _fits(config: CausalConfig) -> bool:
    return config.head_dim in _HEAD_DIMS and config.hidden_size <= _WIDEST
