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
    assert len(finished.segments) > 3
    async with dialog(chain) as session:
        await session.say(config=config(seed=7))
        await session.type(FIRST + "The")
        first = await session.until("audio")
        assert first.audio.text_span == speech_pb2.TextSpan(start=0, end=len(FIRST) - 1)
        await session.type(TEXT.removeprefix(FIRST + "The"))
        await session.say(end=speech_pb2.End())
        await session.until("finished")
        await session.rest()
    assert session.kinds() == ["started", "audio", "finished"]
    assert session.audio() == at_once
    assert session.last().segments == finished.segments
    assert session.last().finish_reason == finished.finish_reason


async def test_an_answer_of_300_words_is_heard_while_it_is_written(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    answer = "The fox laughs and laughs. Hello the world! So do I, said the brown fox. " * 20
    assert len(answer.split()) == 300
    async with running_chain(checkpoint_of(replace(SPEC, eos_after=30))) as chain:
        at_once, finished = await spoken(chain, answer, seed=7)
        async with dialog(chain) as session:
            await session.say(config=config(seed=7))
            await session.type("The fox laughs and laughs. H")
            await session.until("audio")  # nobody has written the second sentence
            await session.type(answer.removeprefix("The fox laughs and laughs. H"))
            await session.rest()
    assert len(finished.segments) >= 60
    assert session.audio() == at_once
    assert session.last().segments == finished.segments


async def test_text_spans_and_samples_go_on_over_the_pieces(chain: Chain) -> None:
    async with dialog(chain) as session:
        await session.say(config=config(seed=1, text=TEXT))
        await session.rest()
    chunks = [r.audio for r in session.heard if r.WhichOneof("response") == "audio"]
    counts = [len(chunk.audio) // 4 for chunk in chunks]
    assert [chunk.sample_count for chunk in chunks] == counts
    assert [chunk.first_sample for chunk in chunks] == [sum(counts[:n]) for n in range(len(counts))]
    last = session.last()
    assert (
        last.sample_count == sum(counts) == sum(segment.sample_count for segment in last.segments)
    )
    assert [report.stage for report in last.stages] == ["semantic", "coarse", "fine", "codec"]
    assert last.stages[3].output_count == sum(counts)
    for segment in last.segments:
        inside = [
            c for c in chunks if 0 <= c.first_sample - segment.first_sample < segment.sample_count
        ]
        assert {(c.text_span.start, c.text_span.end) for c in inside} == {
            (segment.text_span.start, segment.text_span.end)
        }
    said = " ".join(TEXT[p.text_span.start : p.text_span.end] for p in last.segments)
    assert said == TEXT
    assert len({segment.seed for segment in last.segments}) == len(last.segments)
    assert last.segments[0].seed == 1


async def test_contexts_speak_side_by_side_each_with_its_own_voice(chain: Chain) -> None:
    voices = {"a": "v2/test_speaker_0", "b": "v2/test_speaker_1", "": "none"}
    options = {
        id_: {"seed": 3, "voice": speech_pb2.VoiceSelection(name=name)}
        for id_, name in voices.items()
    }
    async with dialog(chain) as session:
        for id_ in voices:
            await session.say(id_, config=config(**options[id_]))
        for start in range(0, len(TEXT), 5):
            for id_ in voices:
                await session.say(id_, text=TEXT[start : start + 5])
        await session.rest()
    for id_, name in voices.items():
        assert session.kinds(id_) == ["started", "audio", "finished"]
        assert session.audio(id_) == (await spoken(chain, TEXT, **options[id_]))[0]
        assert next(r.started.voice for r in session.heard if r.context_id == id_) == name
    order = [response.context_id for response in session.heard]
    assert order.index("b") < len(order) - 1 - order[::-1].index("a")


async def test_bytes_may_be_cut_inside_a_character(chain: Chain) -> None:
    text = "héllo wörld… 你好。 ok"
    async with dialog(chain) as session:
        await session.say(config=config(seed=5))
        for byte in text.encode():
            await session.say(utf8=bytes([byte]))
        await session.rest()
    assert session.audio() == (await spoken(chain, text, seed=5))[0]


async def test_flush_speaks_what_is_there_and_says_when_it_was_sent(chain: Chain) -> None:
    async with dialog(chain) as session:
        await session.say(config=config(seed=2))
        await session.say(text="hello the")
        await session.say(flush=speech_pb2.Flush(flush_id="one"))
        done = await session.until("flush_done")
        assert done.flush_done.flush_id == "one"
        assert session.kinds() == ["started", "audio", "flush_done"]
        await session.say(text=" world")
        await session.say(flush=speech_pb2.Flush(flush_id="two"))
        await session.say(flush=speech_pb2.Flush(flush_id="three"))
        await session.rest()
    kinds = ["started", "audio", "flush_done", "audio", "flush_done", "flush_done", "finished"]
    assert session.kinds() == kinds
    assert [(p.text_span.start, p.text_span.end) for p in session.last().segments] == [
        (0, 9),
        (10, 15),
    ]


async def test_who_has_nothing_left_to_hear_hears_a_clause(chain: Chain) -> None:
    async with dialog(chain) as session:
        await session.say(config=config(max_delay_ms=10, seed=2))
        await session.say(text="hello the world, and th")
        heard = await session.until("audio")
        assert heard.audio.text_span.end == len("hello the world,")
        await session.say(text="en it goes")
        heard = await session.until("audio")
        while heard.audio.text_span.start == 0:
            heard = await session.until("audio")
        assert heard.audio.text_span.start == len("hello the world, ")
        await session.rest()
    said = [(p.text_span.start, p.text_span.end) for p in session.last().segments]
    assert said[0][0] == 0
    assert said[-1][1] == len("hello the world, and then it goes")


async def test_cancel_stops_every_stage_and_says_what_was_sent(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    endless = replace(never_ending(TINY), max_new_tokens=700, block_size=1024)
    async with running_chain(checkpoint_of(endless)) as chain, dialog(chain) as session:
        await session.say("a", config=config(seed=1, text="hello. " * 10))
        await session.say("b", config=config(seed=1, text="hello"))
        await session.until("audio", "a")
        await session.say("a", cancel=speech_pb2.Cancel())
        last = (await session.until("finished", "a")).finished
        assert last.finish_reason == common_pb2.FINISH_REASON_CANCELLED
        assert last.sample_count * 4 == len(session.audio("a")) > 0
        await session.say("b", cancel=speech_pb2.Cancel())
        await session.until("finished", "b")
        for name in ("semantic", "coarse", "fine", "codec"):
            service = chain.services[name]
            while service.metric("barkserve_streams", stage=name):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        codec = chain.services["codec"].metric("barkserve_outputs_total", stage="codec")
        assert codec < 20 * 700 / 49.9 * 24_000 / 4  # far from all that there was to say
        await session.rest()
        assert session.kinds("a")[-1] == session.kinds("b")[-1] == "finished"


async def test_cancel_loses_no_audio_that_waits_for_a_slow_reader(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    endless = replace(never_ending(TINY), max_new_tokens=700, block_size=1024)
    async with running_chain(checkpoint_of(endless)) as chain, dialog(chain) as session:
        await session.say(config=config(seed=1, text="hello. " * 10))
        await session.until("audio")
        made = -1.0
        while made != (made := sent(chain)):  # noqa: ASYNC110 - until no more is taken
            await asyncio.sleep(0.5)
        await session.say(cancel=speech_pb2.Cancel())
        await session.rest()
        assert session.kinds()[-1] == "finished"
        assert session.last().sample_count * 4 == len(session.audio())


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
    async with dialog(chain) as session:
        await session.say("good", config=config(seed=9, text=FIRST))
        for part in BROKEN[name]:
            await session.say(name, **part)
        await session.until("failed", name)
        await session.say(name, text="too late")
        await session.rest()
    failed = session.last(name)
    expected = grpc.StatusCode.NOT_FOUND if name == "voice" else grpc.StatusCode.INVALID_ARGUMENT
    assert failed.code == expected.value[0]
    assert failed.field == FIELDS[name]
    assert session.kinds(name).count("failed") == 1
    assert session.kinds("good") == ["started", "audio", "finished"]
    assert session.audio("good") == (await spoken(chain, FIRST, seed=9))[0]


async def test_an_id_can_be_used_again_and_too_many_contexts_come_back_later(chain: Chain) -> None:
    async with dialog(chain) as session:
        for id_ in ("1", "2", "3", "4"):
            await session.say(id_, config=config(seed=1, text="hello"))
        failed = (await session.until("failed", "4")).failed
        assert failed.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        assert failed.retry_after_seconds > 0
        await session.say("1", end=speech_pb2.End())
        await session.until("finished", "1")
        await session.say("1", config=config(seed=1, text="hello"))
        await session.rest()
    assert session.kinds("1") == ["started", "audio", "finished"] * 2
    assert session.kinds("2") == session.kinds("3") == ["started", "audio", "finished"]
    assert session.audio("1") == session.audio("2") * 2


async def test_the_id_of_a_context_that_was_cancelled_can_be_used_again_at_once(
    chain: Chain,
) -> None:
    async with dialog(chain) as session:
        await session.say(config=config(seed=2, text=TEXT))
        await session.until("audio")
        await session.say(cancel=speech_pb2.Cancel())
        await session.say(config=config(seed=1, text=FIRST))
        await session.rest()
    assert session.kinds() == ["started", "audio", "finished", "started", "audio", "finished"]
    assert session.audio().endswith((await spoken(chain, FIRST, seed=1))[0])


async def test_text_beyond_the_limit_fails_its_context(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with (
        running_chain(checkpoint_of(TINY), max_text_characters=12) as chain,
        dialog(chain) as session,
    ):
        await session.say(config=config())
        await session.say(text="hello the")
        await session.say(text=" world")
        failed = (await session.until("failed")).failed
        assert failed.field == "text"
        assert "12" in failed.message
        with pytest.raises(grpc.aio.AioRpcError, match="12"):
            await spoken(chain, "hello the world")
