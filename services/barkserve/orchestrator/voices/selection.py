"""Which voice a request means. Knows messages; knows no stages and no files."""

import asyncio
from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from barkserve.checkpoint.bark_config import BarkConfig
from barkserve.checkpoint.voices import Voice, parse_voice, voice_from_npz
from barkserve.constants import NO_VOICE
from barkserve.errors import InvalidArgument
from barkserve.orchestrator.voices.catalog import VoiceCatalog
from barkserve.v1 import common_pb2, speech_pb2

INLINE = "inline"
"""How a voice that came with its request is named."""


class VoiceSelector:
    """Finds voices.

    Args:
        catalog: the voices that have names or handles.
        config: the checkpoint's, to check other voices against.
        default: name of the voice of requests that name none; NO_VOICE for none.
    """

    def __init__(self, catalog: VoiceCatalog, config: BarkConfig, default: str) -> None:
        self._catalog = catalog
        self._config = config
        self.default = default

    async def select(
        self, selection: speech_pb2.VoiceSelection, field: str = "voice"
    ) -> Voice | None:
        """The voice that a request means, None for no voice.

        Args:
            selection: what the request says.
            field: where it says so, for errors.

        Raises:
            NotFound: nothing has that name or handle.
            InvalidArgument: the arrays are not a voice.
            FailedPrecondition: a handle, where the server has no voice store.
        """
        kind = selection.WhichOneof("voice")
        if kind == "npz":
            # In a thread: a megabyte may unpack to many, and streams go on meanwhile.
            return await asyncio.to_thread(
                voice_from_npz, selection.npz, self._config, INLINE, f"{field}.npz"
            )
        if kind == "history_prompt":
            return await asyncio.to_thread(
                self._from_message, selection.history_prompt, f"{field}.history_prompt"
            )
        if kind == "handle":
            return replace(await self._catalog.kept(selection.handle), name=INLINE)
        name = selection.name or self.default
        return None if name == NO_VOICE else await self._catalog.get(name)

    async def keep(self, continuing: common_pb2.HistoryPrompt, language: str) -> str:
        """Keep the voice that an utterance leaves behind, and its language; returns its handle.

        Raises:
            InvalidArgument: the utterance was too short to be a voice.
            BarkserveError: what the voice store said.
        """
        voice = self._from_message(continuing, "voice.history_prompt")
        return await self._catalog.keep(replace(voice, language=language))

    def _from_message(self, message: common_pb2.HistoryPrompt, field: str) -> Voice:
        coarse, fine = self._config.coarse_generation, self._config.fine_generation
        arrays = {
            "semantic_prompt": np.array(message.semantic_prompt, dtype=np.int32),
            "coarse_prompt": _books(
                message.coarse_prompt, coarse.n_coarse_codebooks, f"{field}.coarse_prompt"
            ),
            "fine_prompt": _books(
                message.fine_prompt, fine.n_fine_codebooks, f"{field}.fine_prompt"
            ),
        }
        return parse_voice(arrays, self._config, INLINE, field)


def history_prompt(voice: Voice) -> common_pb2.HistoryPrompt:
    """A voice as a message."""
    return common_pb2.HistoryPrompt(
        semantic_prompt=voice.semantic_prompt,
        coarse_prompt=voice.coarse_prompt.T.ravel(),
        fine_prompt=voice.fine_prompt.T.ravel(),
    )


def _books(codes: Collection[int], books: int, field: str) -> NDArray[np.int32]:
    """Codes frame by frame to (books, frames)."""
    if len(codes) % books:
        raise InvalidArgument(
            field, f"must hold whole frames of {books} codes, found {len(codes)} codes"
        )
    return np.fromiter(codes, dtype=np.int32).reshape(-1, books).T
