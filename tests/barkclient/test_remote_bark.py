"""RemoteBark's arguments, with the tests' tokenizer and without a model."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoProcessor

from barkclient import Client, InvalidRequest, RemoteBark
from barkclient._internal.generate_arguments import synthesis_options
from barkclient._internal.token_text import texts_of_tokens
from barkserve.checkpoint.folder import bundled_checkpoint
from tests.barkclient.scripted_server import PCM, SAMPLE_COUNT, SAMPLE_RATE, ScriptedSpeech


@pytest.fixture(scope="module")
def processor(tiny_folder: Path) -> Any:
    return AutoProcessor.from_pretrained(tiny_folder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello world", "hello world"),
        ("  Hello,   the fox.  ", "Hello, the fox."),
        ("don't! 1-2 [laugh] ♪", None),  # spaces differ, and the tokens do not depend on them
        ("he said: n't", None),
        ("über", None),  # ü is unknown, and stays so
    ],
)
def test_tokens_become_a_text_with_the_same_tokens(
    processor: Any, text: str, expected: str | None
) -> None:
    inputs = processor(text, max_length=32)
    (found,) = texts_of_tokens(processor.tokenizer, **inputs)
    assert processor(found, max_length=32)["input_ids"].tolist() == inputs["input_ids"].tolist()
    assert expected in (None, found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attention_mask": None}, "input_ids: has padding .* give the attention_mask too"),
        ({"attention_mask": [[1] * 7]}, "attention_mask: must have the shape of input_ids"),
        ({"attention_mask": [[0] * 5 + [1] * 3]}, "attention_mask: must be ones, then zeros"),
        ({"input_ids": [1, 2, 3]}, "input_ids: must be integers in 2-D"),
        ({"input_ids": [[0.5] * 8]}, "input_ids: must be integers in 2-D"),
        ({"input_ids": [[3] + [9] * 7]}, "input_ids: has padding or other special tokens"),
    ],
)
def test_wrong_tokens_are_refused(processor: Any, change: dict[str, Any], message: str) -> None:
    inputs = {name: value.tolist() for name, value in processor("fox", max_length=8).items()}
    with pytest.raises(InvalidRequest, match=message):
        texts_of_tokens(processor.tokenizer, **inputs | change)


def test_tokens_that_no_text_gives_are_refused(processor: Any) -> None:
    tokenizer = processor.tokenizer
    inside = tokenizer.convert_tokens_to_ids(["##s", "fox"])  # a word cannot begin inside
    with pytest.raises(InvalidRequest, match="not what the tokenizer makes of any text"):
        texts_of_tokens(tokenizer, [inside], None)


def test_unknown_signs_of_bark_mini_are_refused() -> None:
    """The server would spell the digits out, but their tokens do not say which they were."""
    processor = AutoProcessor.from_pretrained(bundled_checkpoint())
    with pytest.raises(InvalidRequest, match="give generate\\(\\) the text itself"):
        texts_of_tokens(processor.tokenizer, **processor("I have 2 dogs"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("num_beams", "num_beams: is not an option"),
        ("max_new_tokens", "max_new_tokens: is not an option: did you mean semantic_max_new"),
        ("semantic_temperatures", "did you mean semantic_temperature?"),
        ("fine_top_k", "fine_top_k: is not an option: did you mean"),
        ("streamer", "streamer: is not an option"),
    ],
)
def test_argument_without_effect_on_server_is_refused(name: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as raised:
        synthesis_options({name: 4})
    assert raised.value.violations[0].field == name


def test_arguments_of_a_model_take_precedence() -> None:
    options = synthesis_options(
        {
            "temperature": 0.7,
            "coarse_temperature": 0.6,
            "fine_temperature": 0.5,
            "top_k": 50,
            "semantic_top_k": 20,
            "do_sample": True,
            "coarse_do_sample": False,
            "min_eos_p": 0.2,
            "semantic_max_new_tokens": 100,
        }
    )
    semantic, coarse, fine = options["semantic"], options["coarse"], options["fine"]
    assert (semantic.temperature, coarse.temperature, fine.temperature) == (0.7, 0.6, 0.5)
    assert (semantic.top_k, coarse.top_k) == (20, 50)
    assert (semantic.greedy, coarse.greedy, fine.greedy) == (False, True, None)
    assert (semantic.min_eos_p, semantic.max_tokens) == (0.2, 100)


@pytest.mark.parametrize("temperature", [None, 1.0, 1])
def test_fine_model_is_greedy_at_temperature_one(temperature: float | None) -> None:
    assert synthesis_options({"fine_temperature": temperature})["fine"].greedy


async def test_batch_has_the_type_of_its_inputs(speech: ScriptedSpeech, processor: Any) -> None:
    speech.info.sample_rate_hertz = SAMPLE_RATE

    def generate() -> tuple[RemoteBark, Any, Any, list[int]]:
        model = RemoteBark(Client(speech.target), processor, max_streams=2)
        inputs = processor(["hello", "the fox"], max_length=8)
        both, lengths = model.generate(**inputs, return_output_lengths=True, seed=7)
        assert model.generation_config.sample_rate == SAMPLE_RATE
        return model, both, model.generate("hello"), lengths

    _, both, one, lengths = await asyncio.to_thread(generate)
    expected = np.concatenate(PCM).astype(np.float32) / 32768
    assert isinstance(both, torch.Tensor)
    assert both.dtype == torch.float32
    np.testing.assert_array_equal(both.numpy(), np.stack([expected, expected]))
    assert lengths == [SAMPLE_COUNT, SAMPLE_COUNT]
    assert isinstance(one, np.ndarray)
    np.testing.assert_array_equal(one, expected[None])
    assert sorted(request.text for request in speech.requests) == ["hello", "hello", "the fox"]
    assert {request.voice.name for request in speech.requests} == {"none"}


def test_tokens_without_processor_are_refused(processor: Any) -> None:
    with pytest.raises(InvalidRequest, match="input_ids: has token ids: give RemoteBark the proc"):
        RemoteBark(Client()).generate(**processor("hello"))
    with pytest.raises(InvalidRequest, match="input_ids: is empty"):
        RemoteBark(Client()).generate([])
