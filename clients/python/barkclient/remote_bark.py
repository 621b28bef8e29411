"""RemoteBark: `generate` as transformers' BarkModel has it, computed by a server."""

import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from barkclient._internal.generate_arguments import synthesis_options
from barkclient._internal.token_text import texts_of_tokens
from barkclient.client import Client
from barkclient.errors import InvalidRequest
from barkclient.options import SynthesisOptions
from barkclient.voices import HistoryPrompt

Texts = str | Sequence[str]
TokenIds = Any
"""(texts, tokens) integers: a tensor, an array or lists."""


class Processor(Protocol):
    """The part of transformers' BarkProcessor that RemoteBark uses."""

    tokenizer: Any


@dataclass(frozen=True)
class RemoteGenerationConfig:
    """The part of transformers' generation config that programs read.

    Attributes:
        sample_rate: of the audio, in Hz.
    """

    sample_rate: int


class RemoteBark:
    """Takes the place of transformers' BarkModel in programs that only generate.

    processor = AutoProcessor.from_pretrained("suno/bark-small")
    model = RemoteBark(Client("localhost:50051"), processor)  # was BarkModel.from_pretrained(...)
    audio = model.generate(**processor("Hello", voice_preset="v2/en_speaker_6"))

    The server's checkpoint should be the processor's. The array is that of BarkModel if no token is
    sampled, the text is one segment, and the tokenizer knows digits: see docs/clients.md.

    Args:
        client: the client to call. The caller closes it.
        processor: the program's BarkProcessor. Without it, `generate` takes texts only.
        max_streams: texts of one batch that are spoken at the same time.
    """

    def __init__(
        self, client: Client, processor: Processor | None = None, *, max_streams: int = 1
    ) -> None:
        self._client = client
        self._tokenizer = None if processor is None else processor.tokenizer
        self._max_streams = max_streams

    @cached_property
    def generation_config(self) -> RemoteGenerationConfig:
        """What the server's checkpoint says about its audio."""
        return RemoteGenerationConfig(self._client.server_info().sample_rate)

    def generate(
        self,
        input_ids: Texts | TokenIds,
        history_prompt: Mapping[str, ArrayLike] | HistoryPrompt | str | None = None,
        return_output_lengths: bool | None = None,
        *,
        attention_mask: TokenIds | None = None,
        seed: int | None = None,
        **arguments: Any,
    ) -> Any:
        """Speak one or more texts.

        Args:
            input_ids: (texts, tokens) ids, as the processor returns them; or the text or texts
                themselves.
            history_prompt: the voice: arrays as the processor returns them, or a voice's name. None
                as in transformers: Bark invents a speaker.
            return_output_lengths: whether to return the lengths too.
            attention_mask: (texts, tokens), 0 at the padding, as the processor returns it.
            seed: of all random draws; None: random. An addition to transformers' arguments.
            arguments: temperature, top_k, top_p, do_sample and min_eos_p for all models, or for one
                with the prefix semantic_, coarse_ or fine_; semantic_max_new_tokens.

        Returns:
            (texts, samples) float32, padded with zeros: a tensor if `input_ids` is a tensor, else
            an array. With return_output_lengths: this and the list of the lengths.

        Raises:
            InvalidRequest: the server cannot do what an argument asks for.
            BarkClientError: a call failed.
        """
        texts = self._texts(input_ids, attention_mask)
        options = synthesis_options(arguments)
        options |= {"voice": "none" if history_prompt is None else _voice(history_prompt)}
        options |= {"seed": seed, "delivery": "exact", "encoding": "float32"}
        spoken = self._speak(texts, options)
        lengths = [len(samples) for samples in spoken]
        audio = np.zeros((len(spoken), max(lengths)), np.float32)
        for row, samples in zip(audio, spoken, strict=True):
            row[: len(samples)] = samples
        result = _as_given(audio, input_ids)
        return (result, lengths) if return_output_lengths else result

    def __repr__(self) -> str:
        return f"<RemoteBark on {self._client}>"

    def _texts(self, input_ids: Texts | TokenIds, attention_mask: TokenIds | None) -> list[str]:
        if isinstance(input_ids, str):
            return [input_ids]
        if len(input_ids) == 0:
            raise InvalidRequest.of_field("input_ids", "is empty: give at least one text")
        if all(isinstance(text, str) for text in input_ids):
            return list(input_ids)
        if self._tokenizer is None:
            raise InvalidRequest.of_field(
                "input_ids", "has token ids: give RemoteBark the processor, or generate() the texts"
            )
        return texts_of_tokens(self._tokenizer, input_ids, attention_mask)

    def _speak(self, texts: list[str], options: SynthesisOptions) -> list[NDArray[np.float32]]:
        def speak(text: str) -> NDArray[np.float32]:
            with self._client.synthesize(text, **options) as synthesis:
                return synthesis.read().samples()

        with ThreadPoolExecutor(min(len(texts), self._max_streams)) as threads:
            return list(threads.map(speak, texts))


def _voice(
    prompt: Mapping[str, ArrayLike] | HistoryPrompt | str,
) -> dict[str, NDArray[Any]] | HistoryPrompt | str:
    """Return a voice whose tensors, of any device, are arrays."""
    if not isinstance(prompt, Mapping):
        return prompt
    return {name: np.asarray(_list(array)) for name, array in prompt.items()}


def _list(array: Any) -> Any:
    to_list: Callable[[], Any] | None = getattr(array, "tolist", None)
    return array if to_list is None else to_list()


def _as_given(audio: NDArray[np.float32], input_ids: Any) -> Any:
    """Return a tensor if the caller gave one. The caller has then imported torch."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(input_ids, torch.Tensor):
        return torch.from_numpy(audio)
    return audio
