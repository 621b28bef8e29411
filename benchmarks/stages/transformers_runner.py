"""Run the work of `benchmarks.stages` with transformers' generate methods, streams as a batch.

`benchmarks.stages.worker` starts this module as a process.
"""

import asyncio
import time
from pathlib import Path

import torch
from transformers.models.bark.generation_configuration_bark import (
    BarkCoarseGenerationConfig,
    BarkFineGenerationConfig,
    BarkSemanticGenerationConfig,
)

from benchmarks.stages.worker import Work, serve
from fixtures.checkpoints import reference


class TransformersBark:
    """A BarkModel; each method does the work of `streams` rows in one batch."""

    def __init__(self, work: Work) -> None:
        self._model = reference(Path(work.folder))
        config = self._model.generation_config
        self._semantic = BarkSemanticGenerationConfig(**config.semantic_config)
        self._coarse = BarkCoarseGenerationConfig(**config.coarse_acoustics_config)
        self._fine = BarkFineGenerationConfig(**config.fine_acoustics_config)
        self._work = work

    async def run(self, streams: int) -> tuple[float, float]:
        """Return the seconds in all, twice: the first output is the whole output."""
        started = time.perf_counter()
        getattr(self, self._work.part)(streams)
        seconds = time.perf_counter() - started
        return seconds, seconds

    def semantic(self, streams: int) -> None:
        """Generate `work.tokens` tokens for each stream."""
        text = (torch.arange(256)[None] % 20).repeat(streams, 1)
        self._model.semantic.generate(
            text, self._semantic, do_sample=False, max_new_tokens=self._work.tokens
        )

    def coarse(self, streams: int) -> None:
        """Generate coarse codes for `work.seconds`, without a voice."""
        tokens = (7 * torch.arange(self._work.semantic_for_coarse) % 10_000).repeat(streams, 1)
        self._model.coarse_acoustics.generate(tokens, self._semantic, self._coarse, do_sample=False)

    def fine(self, streams: int) -> None:
        """Generate fine codes for `work.seconds`."""
        codes = (torch.arange(2 * self._work.frames) % 1024).view(-1, 2)
        codes = (codes + torch.tensor([10_000, 11_024])).view(1, -1).repeat(streams, 1)
        self._model.fine_acoustics.generate(
            codes, self._semantic, self._coarse, self._fine, temperature=None
        )

    def codec(self, streams: int) -> None:
        """Decode `work.seconds` of audio."""
        codes = (torch.arange(8 * self._work.frames).view(-1, 8) % 1024).T
        with torch.no_grad():
            self._model.codec_decode(codes.repeat(streams, 1, 1))

    def chain(self, streams: int) -> None:
        """Run all four in turn, as BarkModel.generate does."""
        for part in (self.semantic, self.coarse, self.fine, self.codec):
            part(streams)


if __name__ == "__main__":
    asyncio.run(serve(TransformersBark(Work.from_command_line()).run))
