"""Text in pieces: sooner than it is written, the same as at once, and every context for itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from barkserve.v1 import common_pb2, speech_pb2
from fixtures.checkpoints import TINY, CheckpointSpec, never_ending
from tests.support.dialog import config, dialog, spoken
from tests.support.services import Chain, running_chain

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPEC = replace(TINY, max_new_tokens=600, block_size=1024)  # room for 25 letters
FIRST = "hello the world. "
TEXT = FIRST + "The fox, it laughs and laughs and laughs? no. yes! So do I, 3.5 times."


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chain(checkpoint_of: Callable[[CheckpointSpec], Path]) -> AsyncIterator[Chain]:
    async with running_chain(checkpoint_of(SPEC), max_contexts=3) as started:
        yield started


async def test_the_first_sentence_is_heard_before_the_second_is_written(chain: Chain) -> None:
    at_once, finished = await spoken(chain, TEXT, seed=7)
    assert len(finished.pieces) > 3
    async with dialog(chain) as talk:
        await talk.say(config=config(seed=7))
        await talk.type(FIRST + "The")
        first = await talk.until("audio")
        assert first.audio.text_span == speech_pb2.TextSpan(start=0, end=len(FIRST) - 1)
        await talk.type(TEXT.removeprefix(FIRST + "The"))
        await talk.say(end=speech_pb2.End())
        await talk.until("finished")
        await talk.rest()
    assert talk.kinds() == ["started", "audio", "finished"]
    assert talk.audio() == at_once
    assert talk.last().pieces == finished.pieces
    assert talk.last().finish_reason == finished.finish_reason


async def test_an_answer_of_300_words_is_heard_while_it_is_written(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    answer = "The fox laughs and laughs. Hello the world! So do I, said the brown fox. " * 20
    assert len(answer.split()) == 300
    async with running_chain(checkpoint_of(replace(SPEC, eos_after=30))) as chain:
        at_once, finished = await spoken(chain, answer, seed=7)
        async with dialog(chain) as talk:
            await talk.say(config=config(seed=7))
            await talk.type("The fox laughs and laughs. H")
            await talk.until("audio")  # nobody has written the second sentence
            await talk.type(answer.removeprefix("The fox laughs and laughs. H"))
            await talk.rest()
    assert len(finished.pieces) >= 60
    assert talk.audio() == at_once
    assert talk.last().pieces == finished.pieces


async def test_text_spans_and_samples_go_on_over_the_pieces(chain: Chain) -> None:
    async with dialog(chain) as talk:
        await talk.say(config=config(seed=1, text=TEXT))
        await talk.rest()
    chunks = [r.audio for r in talk.heard if r.WhichOneof("response") == "audio"]
    counts = [len(chunk.audio) // 4 for chunk in chunks]
    assert [chunk.sample_count for chunk in chunks] == counts
    assert [chunk.first_sample for chunk in chunks] == [sum(counts[:n]) for n in range(len(counts))]
    last = talk.last()
    assert last.sample_count == sum(counts) == sum(piece.sample_count for piece in last.pieces)
    assert [report.stage for report in last.stages] == ["semantic", "coarse", "fine", "codec"]
    assert last.stages[3].output_count == sum(counts)
    for piece in last.pieces:
        inside = [
            c for c in chunks if 0 <= c.first_sample - piece.first_sample < piece.sample_count
        ]
        assert {(c.text_span.start, c.text_span.end) for c in inside} == {
            (piece.text_span.start, piece.text_span.end)
        }
    said = " ".join(TEXT[p.text_span.start : p.text_span.end] for p in last.pieces)
    assert said == TEXT
    assert len({piece.seed for piece in last.pieces}) == len(last.pieces)
    assert last.pieces[0].seed == 1


async def test_contexts_speak_side_by_side_each_with_its_own_voice(chain: Chain) -> None:
    voices = {"a": "v2/test_speaker_0", "b": "v2/test_speaker_1", "": "none"}
    options = {
        id_: {"seed": 3, "voice": speech_pb2.VoiceSelection(name=name)}
        for id_, name in voices.items()
    }
    async with dialog(chain) as talk:
        for id_ in voices:
            await talk.say(id_, config=config(**options[id_]))
        for start in range(0, len(TEXT), 5):
            for id_ in voices:
                await talk.say(id_, text=TEXT[start : start + 5])
        await talk.rest()
    for id_, name in voices.items():
        assert talk.kinds(id_) == ["started", "audio", "finished"]
        assert talk.audio(id_) == (await spoken(chain, TEXT, **options[id_]))[0]
        assert next(r.started.voice for r in talk.heard if r.context_id == id_) == name
    order = [response.context_id for response in talk.heard]
    assert order.index("b") < len(order) - 1 - order[::-1].index("a")


async def test_bytes_may_be_cut_inside_a_character(chain: Chain) -> None:
    text = "héllo wörld… 你好。 ok"
    async with dialog(chain) as talk:
        await talk.say(config=config(seed=5))
        for byte in text.encode():
            await talk.say(utf8=bytes([byte]))
        await talk.rest()
    assert talk.audio() == (await spoken(chain, text, seed=5))[0]


async def test_flush_speaks_what_is_there_and_says_when_it_was_sent(chain: Chain) -> None:
    async with dialog(chain) as talk:
        await talk.say(config=config(seed=2))
        await talk.say(text="hello the")
        await talk.say(flush=speech_pb2.Flush(flush_id="one"))
        done = await talk.until("flush_done")
        assert done.flush_done.flush_id == "one"
        assert talk.kinds() == ["started", "audio", "flush_done"]
        await talk.say(text=" world")
        await talk.say(flush=speech_pb2.Flush(flush_id="two"))
        await talk.say(flush=speech_pb2.Flush(flush_id="three"))
        await talk.rest()
    kinds = ["started", "audio", "flush_done", "audio", "flush_done", "flush_done", "finished"]
    assert talk.kinds() == kinds
    assert [(p.text_span.start, p.text_span.end) for p in talk.last().pieces] == [(0, 9), (10, 15)]


async def test_who_has_nothing_left_to_hear_hears_a_clause(chain: Chain) -> None:
    async with dialog(chain) as talk:
        await talk.say(config=config(max_delay_ms=10, seed=2))
        await talk.say(text="hello the world, and th")
        heard = await talk.until("audio")
        assert heard.audio.text_span.end == len("hello the world,")
        await talk.say(text="en it goes")
        heard = await talk.until("audio")
        while heard.audio.text_span.start == 0:
            heard = await talk.until("audio")
        assert heard.audio.text_span.start == len("hello the world, ")
        await talk.rest()
    said = [(p.text_span.start, p.text_span.end) for p in talk.last().pieces]
    assert said[0][0] == 0
    assert said[-1][1] == len("hello the world, and then it goes")


async def test_cancel_stops_every_stage_and_says_what_was_sent(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    endless = replace(never_ending(TINY), max_new_tokens=700, block_size=1024)
    async with running_chain(checkpoint_of(endless)) as chain, dialog(chain) as talk:
        await talk.say("a", config=config(seed=1, text="hello. " * 10))
        await talk.say("b", config=config(seed=1, text="hello"))
        await talk.until("audio", "a")
        await talk.say("a", cancel=speech_pb2.Cancel())
        last = (await talk.until("finished", "a")).finished
        assert last.finish_reason == common_pb2.FINISH_REASON_CANCELLED
        assert last.sample_count * 4 == len(talk.audio("a")) > 0
        await talk.say("b", cancel=speech_pb2.Cancel())
        await talk.until("finished", "b")
        for name in ("semantic", "coarse", "fine", "codec"):
            service = chain.services[name]
            while service.metric("barkserve_streams", stage=name):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        codec = chain.services["codec"].metric("barkserve_outputs_total", stage="codec")
        assert codec < 20 * 700 / 49.9 * 24_000 / 4  # far from all that there was to say
        await talk.rest()
        assert talk.kinds("a")[-1] == talk.kinds("b")[-1] == "finished"


async def test_cancel_loses_no_audio_that_waits_for_a_slow_reader(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    endless = replace(never_ending(TINY), max_new_tokens=700, block_size=1024)
    async with running_chain(checkpoint_of(endless)) as chain, dialog(chain) as talk:
        await talk.say(config=config(seed=1, text="hello. " * 10))
        await talk.until("audio")
        made = -1.0
        while made != (made := sent(chain)):  # noqa: ASYNC110 - until no more is taken
            await asyncio.sleep(0.5)
        await talk.say(cancel=speech_pb2.Cancel())
        await talk.rest()
        assert talk.kinds()[-1] == "finished"
        assert talk.last().sample_count * 4 == len(talk.audio())


def sent(chain: Chain) -> float:
    return chain.services["orchestrator"].metric("barkserve_outputs_total", stage="orchestrator")


BROKEN = {
    "utf8": [{"config": config()}, {"utf8": b"hello \xff"}],
    "half": [{"config": config()}, {"utf8": b"hello \xc3"}, {"end": speech_pb2.End()}],
    "mixed": [{"config": config()}, {"utf8": b"hello \xc3"}, {"text": "a"}],
    "no config": [{"text": "hello"}, {"text": "hello"}],
    "again": [{"config": config()}, {"config": config()}, {"text": "hello"}],
    "nothing": [{"config": config()}, {}],
    "voice": [{"config": config(voice=speech_pb2.VoiceSelection(name="nobody"))}],
    "option": [{"config": config(seed=-1, text="hello.")}],
    "stage": [
        {"config": config(semantic=speech_pb2.SemanticOptions(min_eos_p=2), text="hello.")},
        {"end": speech_pb2.End()},
    ],
    "delay": [{"config": config(max_delay_ms=-1)}],
    "silence": [{"config": config(text="?! 😀")}, {"end": speech_pb2.End()}],
    "empty": [{"config": config()}, {"end": speech_pb2.End()}],
    "late": [{"config": config(text="a")}, {"end": speech_pb2.End()}, {"text": "b"}],
    "id" * 70: [{"config": config()}],
}
FIELDS = {
    "utf8": "utf8", "half": "utf8", "mixed": "utf8", "no config": "config", "again": "config",
    "nothing": "request", "voice": "", "option": "seed", "stage": "semantic.min_eos_p",
    "delay": "max_delay_ms", "silence": "text", "empty": "text", "late": "text",
    "id" * 70: "context_id",
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_context_fails_alone_and_once(chain: Chain, name: str) -> None:
    async with dialog(chain) as talk:
        await talk.say("good", config=config(seed=9, text=FIRST))
        for part in BROKEN[name]:
            await talk.say(name, **part)
        await talk.until("failed", name)
        await talk.say(name, text="too late")
        await talk.rest()
    failed = talk.last(name)
    expected = grpc.StatusCode.NOT_FOUND if name == "voice" else grpc.StatusCode.INVALID_ARGUMENT
    assert failed.code == expected.value[0]
    assert failed.field == FIELDS[name]
    assert talk.kinds(name).count("failed") == 1
    assert talk.kinds("good") == ["started", "audio", "finished"]
    assert talk.audio("good") == (await spoken(chain, FIRST, seed=9))[0]


async def test_an_id_can_be_used_again_and_too_many_contexts_come_back_later(chain: Chain) -> None:
    async with dialog(chain) as talk:
        for id_ in ("1", "2", "3", "4"):
            await talk.say(id_, config=config(seed=1, text="hello"))
        failed = (await talk.until("failed", "4")).failed
        assert failed.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        assert failed.retry_after_seconds > 0
        await talk.say("1", end=speech_pb2.End())
        await talk.until("finished", "1")
        await talk.say("1", config=config(seed=1, text="hello"))
        await talk.rest()
    assert talk.kinds("1") == ["started", "audio", "finished"] * 2
    assert talk.kinds("2") == talk.kinds("3") == ["started", "audio", "finished"]
    assert talk.audio("1") == talk.audio("2") * 2


async def test_the_id_of_a_context_that_was_cancelled_can_be_used_again_at_once(
    chain: Chain,
) -> None:
    async with dialog(chain) as talk:
        await talk.say(config=config(seed=2, text=TEXT))
        await talk.until("audio")
        await talk.say(cancel=speech_pb2.Cancel())
        await talk.say(config=config(seed=1, text=FIRST))
        await talk.rest()
    assert talk.kinds() == ["started", "audio", "finished", "started", "audio", "finished"]
    assert talk.audio().endswith((await spoken(chain, FIRST, seed=1))[0])


async def test_text_beyond_the_limit_fails_its_context(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with (
        running_chain(checkpoint_of(TINY), max_text_characters=12) as chain,
        dialog(chain) as talk,
    ):
        await talk.say(config=config())
        await talk.say(text="hello the")
        await talk.say(text=" world")
        failed = (await talk.until("failed")).failed
        assert failed.field == "text"
        assert "12" in failed.message
        with pytest.raises(grpc.aio.AioRpcError, match="12"):
            await spoken(chain, "hello the world")
