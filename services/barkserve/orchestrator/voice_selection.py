"""Which voice a request means, and the voice that an utterance leaves behind. Knows messages; knows
no stages."""

import asyncio
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from barkserve.bark_config import BarkConfig
from barkserve.constants import NO_VOICE
from barkserve.errors import InvalidArgument
from barkserve.orchestrator.pipeline import Spoken
from barkserve.v1 import common_pb2, speech_pb2
from barkserve.voices import Voice, VoiceLibrary, parse_voice, voice_from_npz

INLINE = "inline"
"""How a voice that came with its request is named."""


class VoiceSelector:
    """Finds voices.

    Args:
        library: the voices that have names.
        config: the checkpoint's, to check other voices against.
        default: name of the voice of requests that name none; NO_VOICE for none.
    """

    def __init__(self, library: VoiceLibrary, config: BarkConfig, default: str) -> None:
        self._library = library
        self._config = config
        self.default = default

    def names(self) -> tuple[str, ...]:
        """The names that a request may use, NO_VOICE aside."""
        return self._library.names()

    async def select(self, selection: speech_pb2.VoiceSelection) -> Voice | None:
        """The voice that a request means, None for no voice.

        Raises:
            NotFound: nothing has that name.
            InvalidArgument: the arrays are not a voice.
        """
        kind = selection.WhichOneof("voice")
        if kind == "npz":
            return voice_from_npz(selection.npz, self._config, INLINE)
        if kind == "history_prompt":
            return self._from_message(selection.history_prompt)
        name = selection.name or self.default
        if name == NO_VOICE:
            return None
        return await asyncio.to_thread(
            self._library.get, name
        )  # a hub's voice is fetched on first use

    def _from_message(self, message: common_pb2.HistoryPrompt) -> Voice:
        coarse, fine = self._config.coarse_generation, self._config.fine_generation
        field = "voice.history_prompt"
        arrays = {
            "semantic_prompt": np.array(message.semantic_prompt, dtype=np.int32),
            "coarse_prompt": _books(
                message.coarse_prompt, coarse.n_coarse_codebooks, f"{field}.coarse_prompt"
            ),
            "fine_prompt": _books(
                message.fine_prompt, fine.n_fine_codebooks, f"{field}.fine_prompt"
            ),
        }
        return parse_voice(arrays, self._config, INLINE)


def continuing_voice(spoken: Spoken, config: BarkConfig) -> common_pb2.HistoryPrompt:
    """The voice that goes on where an utterance ended: its own tokens."""
    return common_pb2.HistoryPrompt(
        semantic_prompt=spoken.semantic,
        coarse_prompt=[code % config.codebook_size for code in spoken.coarse],
        fine_prompt=spoken.fine,
    )


def _books(codes: Collection[int], books: int, field: str) -> NDArray[np.int32]:
    """Codes frame by frame to (books, frames)."""
    if len(codes) % books:
        raise InvalidArgument(
            field, f"must hold whole frames of {books} codes, found {len(codes)} codes"
        )
    return np.fromiter(codes, dtype=np.int32).reshape(-1, books).T
