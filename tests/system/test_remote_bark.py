"""RemoteBark generates the array of transformers' BarkModel."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoProcessor

from barkclient import Client, RemoteBark
from fixtures.checkpoints import reference
from tests.support.services import running_chain

GREEDY = {"do_sample": False, "fine_temperature": None}


async def generated(folder: Path, *calls: dict[str, Any]) -> list[torch.Tensor]:
    """What RemoteBark generates for the arguments of each call."""
    processor = AutoProcessor.from_pretrained(folder)
    async with running_chain(folder) as chain:

        def generate() -> list[torch.Tensor]:
            with Client(chain.address) as client:
                model = RemoteBark(client, processor)
                return [model.generate(**arguments) for arguments in calls]

        return await asyncio.to_thread(generate)


async def test_remote_bark_equals_transformers(tiny_folder: Path) -> None:
    processor, model = AutoProcessor.from_pretrained(tiny_folder), reference(tiny_folder)
    voice = "v2/test_speaker_0"
    calls: list[Any] = [
        processor("Hello,   the fox.", max_length=32) | GREEDY,
        processor("über [laugh] ♪", voice_preset=voice, max_length=32) | GREEDY,
    ]
    calls[1]["semantic_max_new_tokens"] = 20
    for arguments, audio in zip(calls, await generated(tiny_folder, *calls), strict=True):
        expected = model.generate(**arguments)
        assert audio.shape == expected.shape
        assert audio.dtype == expected.dtype
        np.testing.assert_allclose(audio.numpy(), expected.numpy(), atol=2e-6)
