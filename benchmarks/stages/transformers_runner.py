"""Run the work of `benchmarks.stages` with transformers' generate methods, streams as a batch.

`benchmarks.stages.worker` starts this module as a process.
"""

import asyncio
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import BarkModel
from transformers.models.bark.generation_configuration_bark import (
    BarkCoarseGenerationConfig,
    BarkFineGenerationConfig,
    BarkSemanticGenerationConfig,
)

from benchmarks.stages import inputs
from benchmarks.stages.worker import Part, Progress, Work, serve


class TransformersBark:
    """A BarkModel; each method does the work of `streams` rows in one batch."""

    def __init__(self, work: Work) -> None:
        torch.set_num_threads(int(work.options.get("threads", torch.get_num_threads())))
        dtype = getattr(torch, str(work.options.get("dtype", "float32")))
        attention = str(work.options.get("attention", "eager"))
        model = BarkModel.from_pretrained(work.folder, dtype=dtype, attn_implementation=attention)
        self._model = model.eval().to(work.device)
        config = model.generation_config
        self._semantic = BarkSemanticGenerationConfig(**config.semantic_config)
        self._coarse = BarkCoarseGenerationConfig(**config.coarse_acoustics_config)
        self._fine = BarkFineGenerationConfig(**config.fine_acoustics_config)
        self._work = work
        self._voice = self._history() if work.voice else None

    async def run(self, streams: int, part: Part | None = None) -> Progress:
        """Do the work of a part, or that of `work`. The first output is the whole output."""
        started = time.perf_counter()
        with torch.inference_mode():
            getattr(self, part or self._work.part)(streams).cpu()  # waits for the device
        seconds = time.perf_counter() - started
        return Progress(seconds, seconds)

    def semantic(self, streams: int = 1) -> Tensor:
        """Generate `work.tokens` tokens for each stream."""
        text = torch.zeros(256, dtype=torch.long)
        text[: len(inputs.TEXT)] = torch.from_numpy(inputs.TEXT)
        mask = (torch.arange(256) < len(inputs.TEXT)).long()
        generated: Tensor = self._model.semantic.generate(
            self._rows(text, streams),
            self._semantic,
            self._voice,
            self._rows(mask, streams),
            max_new_tokens=self._work.tokens,
            min_new_tokens=self._work.tokens,
            **self._sampling(),
        )
        return generated

    def coarse(self, streams: int = 1) -> Tensor:
        """Generate coarse codes for `work.seconds`."""
        tokens = torch.tensor(inputs.semantic_tokens(self._work.semantic_for_coarse))
        generated: Tensor = self._model.coarse_acoustics.generate(
            self._rows(tokens, streams),
            self._semantic,
            self._coarse,
            history_prompt=self._voice,
            **self._sampling(),
        )
        return generated

    def fine(self, streams: int = 1) -> Tensor:
        """Generate fine codes for `work.seconds`."""
        codes = torch.from_numpy(inputs.codes(self._work.frames, 2))
        codes = (codes + torch.tensor([10_000, 11_024])).view(-1)
        generated: Tensor = self._model.fine_acoustics.generate(
            self._rows(codes, streams),
            self._semantic,
            self._coarse,
            self._fine,
            history_prompt=self._voice,
            temperature=self._fine.temperature if self._work.sampled else None,
        )
        return generated

    def codec(self, streams: int = 1) -> Tensor:
        """Decode `work.seconds` of audio."""
        codes = torch.from_numpy(inputs.codes(self._work.frames, 8)).T
        samples: Tensor = self._model.codec_decode(self._rows(codes, streams))
        return samples

    def chain(self, streams: int = 1) -> Tensor:
        """Run all four in turn, as BarkModel.generate does."""
        for part in (self.semantic, self.coarse, self.fine):
            part(streams).cpu()
        return self.codec(streams)

    def _sampling(self) -> dict[str, Any]:
        if not self._work.sampled:
            return {"do_sample": False}
        return {"do_sample": True, "temperature": 0.7, "top_k": 50}

    def _rows(self, row: Tensor, streams: int) -> Tensor:
        return row[None].repeat(streams, *[1] * row.dim()).to(self._model.device)

    def _history(self) -> dict[str, Tensor]:
        voice = inputs.Voice.random()
        fine = np.ascontiguousarray(voice.fine.T)
        arrays = {"semantic_prompt": voice.semantic, "coarse_prompt": fine[:2], "fine_prompt": fine}
        device = self._model.device
        return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}


if __name__ == "__main__":
    asyncio.run(serve(TransformersBark(Work.from_command_line()).run))
