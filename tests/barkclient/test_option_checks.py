"""Wrong names and types of options are an InvalidRequest before anything is sent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest

from barkclient import (
    AsyncClient,
    Client,
    FineOptions,
    InvalidRequest,
    Sampling,
    SemanticOptions,
    TailOptions,
)
from barkclient.options import build_config, build_request
from tests.barkclient.scripted_server import TEXT, ScriptedSpeech

WRONG = [
    ({"voce": "v2/slt"}, "voce: is not an option: did you mean voice?"),
    ({"zzz": 1}, "zzz: is not an option: choose from voice, seed, greedy,"),
    ({"seed": "7"}, "seed: must be int or None, not '7'"),
    ({"seed": 7.0}, "seed: must be int or None, not float"),
    ({"seed": True}, "seed: must be int or None, not bool"),
    ({"greedy": 1}, "greedy: must be bool, not int"),
    ({"gain_db": "loud"}, "gain_db: must be float, not 'loud'"),
    ({"delivery": "fast"}, "delivery: must be 'streaming' or 'exact', not 'fast'"),
    ({"semantic": Sampling()}, "semantic: must be SemanticOptions, not Sampling"),
    ({"voice": 7}, "voice: must be str or "),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=str)
async def test_wrong_option_is_refused_before_the_call(
    speech: ScriptedSpeech, options: dict[str, Any], message: str
) -> None:
    async with AsyncClient(speech.target) as client:
        calls: list[Callable[..., Any]] = [
            lambda: client.synthesize(TEXT, **options),
            lambda: client.synthesize_stream(_typing(), **options),
            lambda: client.stream().speak(**options),
            lambda: Client(speech.target).synthesize(TEXT, **options),
            lambda: Client(speech.target).synthesize_stream([TEXT], **options),
            lambda: Client(speech.target).stream().speak(**options),
        ]
        for call in calls:
            with pytest.raises(InvalidRequest) as raised:
                call()
            assert str(raised.value).startswith(message)
            assert raised.value.violations[0].field == next(iter(options))
    assert speech.requests == speech.stream_requests == []


def test_option_of_streamed_text_is_explained() -> None:
    with pytest.raises(InvalidRequest, match="max_delay_ms: is for synthesize_stream and speak"):
        build_request(TEXT, max_delay_ms=100)  # type: ignore[call-arg]
    assert build_config(max_delay_ms=100).max_delay_ms == 100


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Sampling, {"topk": 5}, "topk: is not an option: did you mean top_k?"),
        (SemanticOptions, {"max_token": 1}, "max_token: is not an option: did you mean max_tokens"),
        (FineOptions, {"temperature": "hot"}, "temperature: must be float or None, not 'hot'"),
        (TailOptions, {"max_redraws": 1.5}, "max_redraws: must be int, not float"),
    ],
)
def test_wrong_option_of_a_model_is_refused(
    kind: type[Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        kind(**options)
    assert str(raised.value).startswith(message)


def test_numbers_of_numpy_are_accepted() -> None:
    request = build_request(
        TEXT, seed=np.int64(7), gain_db=np.float32(3), semantic=SemanticOptions(top_k=np.int32(5))
    )
    assert (request.seed, request.audio_format.gain_db) == (7, 3)
    assert request.semantic.sampling.top_k == 5


@pytest.mark.parametrize("text", [None, 7, b"Hello"])
def test_text_of_wrong_type_is_refused(text: Any) -> None:
    with pytest.raises(InvalidRequest, match="text: must be str, not"):
        build_request(text)


async def test_texts_of_wrong_kind_are_refused(speech: ScriptedSpeech) -> None:
    async with AsyncClient(speech.target) as client:
        with pytest.raises(InvalidRequest, match="texts: must be AsyncIterable, not list"):
            client.synthesize_stream([TEXT])  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="texts: must be Iterable, not async_generator"):
        Client(speech.target).synthesize_stream(_typing())  # type: ignore[arg-type]


async def test_part_of_text_of_wrong_type_reaches_reader(speech: ScriptedSpeech) -> None:
    def speak() -> None:
        with pytest.raises(InvalidRequest, match="text: must be str or bytes, not int"):
            Client(speech.target).synthesize_stream(["a", 7]).read()  # type: ignore[list-item]

    await asyncio.to_thread(speak)
    async with AsyncClient(speech.target) as client:
        context = client.stream().speak()
        with pytest.raises(InvalidRequest, match="text: must be str or bytes, not NoneType"):
            context.send(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("options", [{"timeout": "3"}, {"retries": 1.5}, {"reconnect_s": None}])
def test_wrong_option_of_client_is_refused(kind: type[Any], options: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=f"{next(iter(options))}: must be"):
        kind(**options)


def test_wrong_timeout_of_a_call_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="timeout: must be float or None, not '3'"):
        Client().synthesize(TEXT, timeout="3")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get_voice(7),
        lambda client: client.get_voice_tokens(None),
        lambda client: client.delete_voice(b"me"),
        lambda client: client.voices(7),
        lambda client: client.create_voice(7, "v2/slt"),
        lambda client: client.create_voice("me", "v2/slt", replace="yes"),
        lambda client: client.create_voice("me", 7),
    ],
)
async def test_wrong_argument_of_voices_is_refused(call: Callable[[Any], Any]) -> None:
    with pytest.raises(InvalidRequest, match="must be"):
        call(Client())
    async with AsyncClient() as client:
        with pytest.raises(InvalidRequest, match="must be"):
            await call(client)


async def _typing() -> AsyncIterator[str]:
    yield TEXT
