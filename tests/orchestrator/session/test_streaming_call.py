"""StreamingSynthesize: early audio, the same audio as Synthesize, and independent contexts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2, status_pb2

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


def field_of(status: status_pb2.Status) -> str:
    """Return the field that a status names, empty for none."""
    request = error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(request)
    return "".join(violation.field for violation in request.field_violations)


def retry_after_s(status: status_pb2.Status) -> float:
    """Return the delay that a status asks for."""
    (detail,), retry = status.details, error_details_pb2.RetryInfo()
    assert detail.Unpack(retry)
    return retry.retry_delay.ToNanoseconds() / 1e9


async def test_call_speaks_first_sentence_before_next_is_sent(chain: Chain) -> None:
    at_once, finished = await spoken(chain, TEXT, seed=7)
    assert len(finished.segments) > 3
    async with dialog(chain) as call:
        await call.send(config=config(seed=7))
        await call.send_text(FIRST + "The")
        first = await call.until("audio")
        assert first.audio.text_span == speech_pb2.TextSpan(start=0, end=len(FIRST) - 1)
        await call.send_text(TEXT.removeprefix(FIRST + "The"))
        await call.send(end=speech_pb2.End())
        await call.until("finished")
        await call.rest()
    assert call.kinds() == ["started", "audio", "finished"]
    assert call.audio() == at_once
    assert call.last().segments == finished.segments
    assert call.last().finish_reason == finished.finish_reason


async def test_call_speaks_300_words_while_they_are_sent(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    answer = "The fox laughs and laughs. Hello the world! So do I, said the brown fox. " * 20
    assert len(answer.split()) == 300
    async with running_chain(checkpoint_of(replace(SPEC, eos_after=15))) as chain:
        at_once, finished = await spoken(chain, answer, seed=7)
        async with dialog(chain) as call:
            await call.send(config=config(seed=7))
            await call.send_text("The fox laughs and laughs. H")
            await call.until("audio")  # before the second sentence was sent
            await call.send_text(answer.removeprefix("The fox laughs and laughs. H"))
            await call.rest()
    assert len(finished.segments) >= 60
    assert call.audio() == at_once
    assert call.last().segments == finished.segments


async def test_call_counts_spans_and_samples_across_segments(chain: Chain) -> None:
    async with dialog(chain) as call:
        await call.send(config=config(seed=1, text=TEXT))
        await call.rest()
    chunks = [r.audio for r in call.received if r.WhichOneof("response") == "audio"]
    counts = [len(chunk.audio) // 4 for chunk in chunks]
    assert [chunk.sample_count for chunk in chunks] == counts
    assert [chunk.first_sample for chunk in chunks] == [sum(counts[:n]) for n in range(len(counts))]
    last = call.last()
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
    spoken_text = " ".join(TEXT[p.text_span.start : p.text_span.end] for p in last.segments)
    assert spoken_text == TEXT
    assert len({segment.seed for segment in last.segments}) == len(last.segments)
    assert last.segments[0].seed == 1


async def test_contexts_speak_concurrently_in_their_voices(chain: Chain) -> None:
    voices = {"a": "v2/test_speaker_0", "b": "v2/test_speaker_1", "": "none"}
    options = {
        id_: {"seed": 3, "voice": speech_pb2.VoiceSelection(name=name)}
        for id_, name in voices.items()
    }
    async with dialog(chain) as call:
        for id_ in voices:
            await call.send(id_, config=config(**options[id_]))
        for start in range(0, len(TEXT), 5):
            for id_ in voices:
                await call.send(id_, text=TEXT[start : start + 5])
        await call.rest()
    for id_, name in voices.items():
        assert call.kinds(id_) == ["started", "audio", "finished"]
        assert call.audio(id_) == (await spoken(chain, TEXT, **options[id_]))[0]
        assert next(r.started.voice for r in call.received if r.context_id == id_) == name
    order = [response.context_id for response in call.received]
    assert order.index("b") < len(order) - 1 - order[::-1].index("a")


async def test_context_joins_utf8_split_inside_characters(chain: Chain) -> None:
    text = "héllo wörld… 你好。 ok"
    async with dialog(chain) as call:
        await call.send(config=config(seed=5))
        for byte in text.encode():
            await call.send(utf8=bytes([byte]))
        await call.rest()
    assert call.audio() == (await spoken(chain, text, seed=5))[0]


async def test_flush_speaks_pending_text_then_reports_done(chain: Chain) -> None:
    async with dialog(chain) as call:
        await call.send(config=config(seed=2))
        await call.send(text="hello the")
        await call.send(flush=speech_pb2.Flush(flush_id="one"))
        done = await call.until("flush_done")
        assert done.flush_done.flush_id == "one"
        assert call.kinds() == ["started", "audio", "flush_done"]
        await call.send(text=" world")
        await call.send(flush=speech_pb2.Flush(flush_id="two"))
        await call.send(flush=speech_pb2.Flush(flush_id="three"))
        await call.rest()
    kinds = ["started", "audio", "flush_done", "audio", "flush_done", "flush_done", "finished"]
    assert call.kinds() == kinds
    assert [(p.text_span.start, p.text_span.end) for p in call.last().segments] == [
        (0, 9),
        (10, 15),
    ]


async def test_context_speaks_a_clause_when_playback_runs_out(chain: Chain) -> None:
    async with dialog(chain) as call:
        await call.send(config=config(max_delay_ms=10, seed=2))
        await call.send(text="hello the world, and th")
        response = await call.until("audio")
        assert response.audio.text_span.end == len("hello the world,")
        await call.send(text="en it goes")
        response = await call.until("audio")
        while response.audio.text_span.start == 0:
            response = await call.until("audio")
        assert response.audio.text_span.start == len("hello the world, ")
        await call.rest()
    spans = [(p.text_span.start, p.text_span.end) for p in call.last().segments]
    assert spans[0][0] == 0
    assert spans[-1][1] == len("hello the world, and then it goes")


async def test_cancel_stops_all_stages_and_reports_samples(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    endless = replace(never_ending(TINY), max_new_tokens=700, block_size=1024)
    async with running_chain(checkpoint_of(endless)) as chain, dialog(chain) as call:
        await call.send("a", config=config(seed=1, text="hello. " * 10))
        await call.send("b", config=config(seed=1, text="hello"))
        await call.until("audio", "a")
        await call.send("a", cancel=speech_pb2.Cancel())
        last = (await call.until("finished", "a")).finished
        assert last.finish_reason == common_pb2.FINISH_REASON_CANCELLED
        assert last.sample_count * 4 == len(call.audio("a")) > 0
        await call.send("b", cancel=speech_pb2.Cancel())
        await call.until("finished", "b")
        for name in ("semantic", "coarse", "fine", "codec"):
            service = chain.services[name]
            while service.metric("barkserve_streams", stage=name):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        codec = chain.services["codec"].metric("barkserve_outputs_total", stage="codec")
        assert codec < 20 * 700 / 49.9 * 24_000 / 4  # far less than the whole text
        await call.rest()
        assert call.kinds("a")[-1] == call.kinds("b")[-1] == "finished"


async def test_cancel_keeps_audio_queued_for_a_slow_reader(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    endless = replace(never_ending(TINY), max_new_tokens=700, block_size=1024)
    async with running_chain(checkpoint_of(endless)) as chain, dialog(chain) as call:
        await call.send(config=config(seed=1, text="hello. " * 10))
        await call.until("audio")
        made = -1.0
        while made != (made := sent(chain)):  # noqa: ASYNC110 - until the server sends no more
            await asyncio.sleep(0.5)
        await call.send(cancel=speech_pb2.Cancel())
        await call.rest()
        assert call.kinds()[-1] == "finished"
        assert call.last().sample_count * 4 == len(call.audio())


def sent(chain: Chain) -> float:
    return chain.services["orchestrator"].metric("barkserve_outputs_total", stage="orchestrator")


BROKEN = {
    "utf8": [{"config": config()}, {"utf8": b"hello \xff"}],
    "half": [{"config": config()}, {"utf8": b"hello \xc3"}, {"end": speech_pb2.End()}],
    "mixed": [{"config": config()}, {"utf8": b"hello \xc3"}, {"text": "a"}],
    "no config": [{"text": "hello"}, {"text": "hello"}],
    "again": [{"config": config()}, {"config": config()}, {"text": "hello"}],
    "nothing": [{"config": config()}, {}],
    "voice": [{"config": config(voice=speech_pb2.VoiceSelection(name="unknown"))}],
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
async def test_invalid_context_fails_alone_and_once(chain: Chain, name: str) -> None:
    async with dialog(chain) as call:
        await call.send("good", config=config(seed=9, text=FIRST))
        for part in BROKEN[name]:
            await call.send(name, **part)
        await call.until("error", name)
        await call.send(name, text="too late")
        await call.rest()
    error = call.last(name)
    expected = grpc.StatusCode.NOT_FOUND if name == "voice" else grpc.StatusCode.INVALID_ARGUMENT
    assert error.code == expected.value[0]
    assert field_of(error) == FIELDS[name]
    assert call.kinds(name).count("error") == 1
    assert call.kinds("good") == ["started", "audio", "finished"]
    assert call.audio("good") == (await spoken(chain, FIRST, seed=9))[0]


async def test_call_reuses_ids_and_limits_open_contexts(chain: Chain) -> None:
    async with dialog(chain) as call:
        for id_ in ("1", "2", "3", "4"):
            await call.send(id_, config=config(seed=1, text="hello"))
        error = (await call.until("error", "4")).error
        assert error.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        assert retry_after_s(error) > 0
        await call.send("1", end=speech_pb2.End())
        await call.until("finished", "1")
        await call.send("1", config=config(seed=1, text="hello"))
        await call.rest()
    assert call.kinds("1") == ["started", "audio", "finished"] * 2
    assert call.kinds("2") == call.kinds("3") == ["started", "audio", "finished"]
    assert call.audio("1") == call.audio("2") * 2


async def test_call_reuses_the_id_of_a_cancelled_context(
    chain: Chain,
) -> None:
    async with dialog(chain) as call:
        await call.send(config=config(seed=2, text=TEXT))
        await call.until("audio")
        await call.send(cancel=speech_pb2.Cancel())
        await call.send(config=config(seed=1, text=FIRST))
        await call.rest()
    assert call.kinds() == ["started", "audio", "finished", "started", "audio", "finished"]
    assert call.audio().endswith((await spoken(chain, FIRST, seed=1))[0])


async def test_context_fails_when_its_text_is_too_long(
    checkpoint_of: Callable[[CheckpointSpec], Path],
) -> None:
    async with (
        running_chain(checkpoint_of(TINY), max_text_characters=12) as chain,
        dialog(chain) as call,
    ):
        await call.send(config=config())
        await call.send(text="hello the")
        await call.send(text=" world")
        error = (await call.until("error")).error
        assert field_of(error) == "text"
        assert "12" in error.message
        with pytest.raises(grpc.aio.AioRpcError, match="12"):
            await spoken(chain, "hello the world")
