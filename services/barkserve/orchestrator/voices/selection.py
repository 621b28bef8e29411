"""Finds the voice that a request selects by name, handle, tokens or .npz file."""

import asyncio
from collections.abc import Sequence
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
"""The name of a voice that was sent with its request."""
_TOKENS_AT_ONCE = 8192  # added to a message in one call, which blocks all other threads


class VoiceSelector:
    """Finds the voices that requests select.

    Args:
        catalog: the voices with names or handles.
        config: the configuration of the checkpoint, which other voices must fit.
        default: the name of the default voice; NO_VOICE for none.
    """

    def __init__(self, catalog: VoiceCatalog, config: BarkConfig, default: str) -> None:
        self._catalog = catalog
        self._config = config
        self.default = default

    async def select(
        self, selection: speech_pb2.VoiceSelection, field: str = "voice"
    ) -> Voice | None:
        """Return the selected voice, or None for no voice.

        Args:
            selection: the selection in the request.
            field: the name of its field, for errors.

        Raises:
            NotFound: no voice has that name or handle.
            InvalidArgument: the tokens are not a voice of this checkpoint.
            FailedPrecondition: the selection is a handle and the server has no voice store.
        """
        kind = selection.WhichOneof("voice")
        if kind == "npz":
            # In a thread: 1 MiB can unpack to much more, and must not block the event loop.
            return await asyncio.to_thread(
                voice_from_npz, selection.npz, self._config, INLINE, f"{field}.npz"
            )
        if kind == "history_prompt":
            return await asyncio.to_thread(
                self._from_message, selection.history_prompt, f"{field}.history_prompt"
            )
        if kind == "handle":
            return replace(await self._catalog.get_by_handle(selection.handle), name=INLINE)
        name = selection.name or self.default
        return None if name == NO_VOICE else await self._catalog.get(name)

    async def keep(self, continuing: common_pb2.HistoryPrompt, language: str) -> str:
        """Store the voice that continues a synthesis; return its handle.

        Args:
            continuing: the last tokens of the synthesis.
            language: its language, a BCP 47 code or empty.

        Raises:
            InvalidArgument: the synthesis was too short.
            BarkserveError: the voice store failed.
        """
        voice = self._from_message(continuing, "voice.history_prompt")
        return await self._catalog.keep(replace(voice, language=language))

    def _from_message(self, message: common_pb2.HistoryPrompt, field: str) -> Voice:
        coarse, fine = self._config.coarse_generation, self._config.fine_generation
        arrays = {
            "semantic_prompt": np.array(message.semantic_prompt, dtype=np.int32),
            "coarse_prompt": _by_codebook(
                message.coarse_prompt, coarse.n_coarse_codebooks, f"{field}.coarse_prompt"
            ),
            "fine_prompt": _by_codebook(
                message.fine_prompt, fine.n_fine_codebooks, f"{field}.fine_prompt"
            ),
        }
        return parse_voice(arrays, self._config, INLINE, field)


def history_prompt(voice: Voice) -> common_pb2.HistoryPrompt:
    """Convert a voice to a message. Takes tens of milliseconds for the largest voices."""
    message = common_pb2.HistoryPrompt()
    for field, tokens in (
        (message.semantic_prompt, voice.semantic_prompt),
        (message.coarse_prompt, voice.coarse_prompt.T.ravel()),
        (message.fine_prompt, voice.fine_prompt.T.ravel()),
    ):
        for start in range(0, len(tokens), _TOKENS_AT_ONCE):
            field.extend(tokens[start : start + _TOKENS_AT_ONCE].tolist())
    return message


def _by_codebook(codes: Sequence[int], codebooks: int, field: str) -> NDArray[np.int32]:
    """Convert codes in frame order to an array (codebooks, frames)."""
    if len(codes) % codebooks:
        raise InvalidArgument(
            field, f"must have whole frames of {codebooks} codes, found {len(codes)} codes"
        )
    # np.array reads a message's numbers from its memory; np.fromiter takes 50 times as long.
    return np.array(codes, dtype=np.int32).reshape(-1, codebooks).T
