"""The client and its command against real services with random weights."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import av
import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from barkclient import AsyncClient, InvalidRequest, VoiceNotFound
from barkclient.__main__ import run
from barkclient.options import Encoding
from barkclient.responses import AudioChunk
from barkserve.config.up import UpOptions
from barkserve.up.plan import plan_services
from fixtures.checkpoints import TINY, CheckpointSpec
from tests.barkclient.command_line import Command
from tests.barkclient.wav_reader import read_wav
from tests.support.services import Chain, running_chain

TEXT = "hello the world. the brown fox speaks! hello."
CHECKPOINT_VOICES = ["v2/test_speaker_0", "v2/test_speaker_1"]


@pytest_asyncio.fixture
async def chain(
    checkpoint_of: Callable[[CheckpointSpec], Path], tmp_path: Path
) -> AsyncIterator[Chain]:
    store = str(tmp_path / "voices")
    async with running_chain(checkpoint_of(TINY), voice_store=store) as started:
        yield started


@pytest.fixture
def services(chain: Chain, tmp_path: Path) -> Command:
    return Command(tmp_path, chain.address)


def decoded(content: bytes) -> tuple[int, NDArray[np.float32]]:
    """Return rate and samples of a file, read with FFmpeg."""
    with av.open(io.BytesIO(content)) as file:
        resampler = av.AudioResampler(format="flt", layout="mono")
        frames = [each for frame in file.decode(audio=0) for each in resampler.resample(frame)]
        return frames[0].sample_rate, np.concatenate([f.to_ndarray().ravel() for f in frames])


@pytest.mark.parametrize("suffix", ["wav", "flac", "opus", "mp3"])
async def test_all_formats_hold_the_same_speech(services: Command, suffix: str) -> None:
    how = ("--seed", "3", "--rate", "16000", "--quiet")
    for name in ("plain.pcm", f"file.{suffix}"):
        output = str(services.folder / name)
        assert await services.inside("say", TEXT, *how, "-o", output) == 0
    plain = np.frombuffer((services.folder / "plain.pcm").read_bytes(), "<i2") / 32768
    rate, samples = decoded((services.folder / f"file.{suffix}").read_bytes())
    if suffix == "opus":  # always plays at 48 kHz
        rate, samples = rate // 3, samples[::3]
    assert rate == 16000
    assert abs(len(samples) - len(plain)) < 2500  # padding of a codec
    loudness = np.sqrt(np.mean(samples**2)) / np.sqrt(np.mean(plain**2))
    assert 0.4 < loudness < 1.6  # random weights are noisy
    with av.open(services.folder / f"file.{suffix}") as file:
        length = file.streams.audio[0].duration
    if suffix in ("wav", "flac"):
        assert length == len(plain)  # from the header
        np.testing.assert_allclose(samples, plain, atol=1e-6)


@pytest.mark.parametrize("encoding", ["mulaw", "alaw"])
async def test_g711_decodes_to_the_pcm_audio(chain: Chain, encoding: Encoding) -> None:
    async with AsyncClient(chain.address) as client:
        plain, law = [
            (await client.synthesize(TEXT, seed=3, sample_rate=8000, encoding=each).read())
            for each in ("pcm16", encoding)
        ]
    assert law.sample_count == plain.sample_count == len(law.audio)
    error = np.abs(law.samples() - plain.samples())
    assert np.all(error <= 0.03 * np.abs(plain.samples()) + 0.001)


async def test_streamed_text_gives_the_audio_of_whole_text(services: Command) -> None:
    await services("say", TEXT, "--seed", "3", "-o", "once.wav", "--quiet")
    typing = await services.start("say", "-", "--stream-text", "--seed", "3", "--json", "-q")
    assert typing.stdin is not None
    for segment in (TEXT[:9], TEXT[9:17], TEXT[17:40]):
        typing.stdin.write(segment.encode())
        await typing.stdin.drain()
        await asyncio.sleep(0.05)
    result = await services.end(typing, TEXT[40:].encode())
    assert (result.code, result.stderr) == (0, "")
    once, typed = (read_wav((services.folder / n).read_bytes()) for n in ("once.wav", "speech.wav"))
    assert typed.audio == once.audio
    segments = json.loads(result.stdout)["segments"]
    assert (segments[0]["text_start"], segments[-1]["text_end"]) == (0, len(TEXT))


async def test_voice_is_kept_created_used_and_deleted(
    services: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    null = ("-o", "/dev/null")
    assert await services.inside("say", TEXT, *null, "--keep-voice", "--json", "-q") == 0
    handle = json.loads(capsys.readouterr().out)["voice_handle"]
    assert await services.inside("say", TEXT, *null, "--voice", handle, "--json", "-q") == 0
    assert json.loads(capsys.readouterr().out)["voice"] == "inline"
    assert await services.inside("voices", "create", "me", handle, "--language", "de") == 0
    assert await services.inside("voices", "create", "me", handle) == 2
    capsys.readouterr()
    assert await services.inside("voices", "--json") == 0
    known = json.loads(capsys.readouterr().out)["voices"]
    assert [voice["name"] for voice in known] == ["me", *CHECKPOINT_VOICES]
    file = str(services.folder / "me.npz")
    assert await services.inside("voices", "show", "me", "--save", file) == 0
    assert await services.inside("say", TEXT, *null, "--voice", file, "-q") == 0
    assert await services.inside("say", TEXT, *null, "--voice", "me", "-q") == 0
    assert await services.inside("voices", "delete", "me") == 0
    assert await services.inside("say", TEXT, *null, "--voice", "me", "-q") == 2
    assert await services.inside("voices", "delete", CHECKPOINT_VOICES[0]) == 2


async def test_contexts_run_in_parallel_and_one_is_cancelled(chain: Chain) -> None:
    async def segments() -> AsyncIterator[str]:
        for start in range(0, len(TEXT), 7):
            yield TEXT[start : start + 7]

    async with AsyncClient(chain.address) as client:
        expected = await client.synthesize(TEXT, seed=3).read()
        by_iterator = await client.synthesize_stream(segments(), seed=3).read()
        assert by_iterator.audio == expected.audio
        async with client.stream() as stream:
            spoken, cut, wrong = (
                stream.speak(seed=3),
                stream.speak(seed=4, voice=CHECKPOINT_VOICES[1]),
                stream.speak(voice="absent"),
            )
            cut.send(TEXT * 3)
            first = await anext(cut)
            spoken.send(TEXT)
            spoken.end()
            cut.cancel()
            assert [chunk async for chunk in cut] == []
            assert cut.finished.finish_reason == "cancelled"
            assert cut.finished.sample_count >= first.sample_count
            with pytest.raises(VoiceNotFound):
                await anext(wrong)
            assert (await spoken.read()).audio == expected.audio
            with pytest.raises(InvalidRequest):
                stream.speak(encoding="mp4")  # type: ignore[arg-type]


async def test_flush_speaks_incomplete_sentence(chain: Chain) -> None:
    async with AsyncClient(chain.address) as client, client.stream() as stream:
        context = stream.speak(seed=3, max_delay_ms=60_000)
        context.send("hello the")
        await context.wait_flushed(context.flush())
        chunk: AudioChunk = await anext(context)
        assert chunk.sample_count > 0
        context.end()
        await context.read()
        assert context.finished.finish_reason in ("stop", "length")


async def test_subtitles_cover_the_speech(services: Command) -> None:
    folder = services.folder
    for name in ("words.json", "words.srt"):
        how = ("--seed", "3", "-q", "-o", str(folder / "a.wav"), "--timestamps", str(folder / name))
        assert await services.inside("say", TEXT, *how) == 0
    words = json.loads((folder / "words.json").read_text())["words"]
    spoken = [TEXT[word["text_start"] : word["text_end"]] for word in words]
    every = iter(word.strip(".!") for word in TEXT.split())
    assert spoken  # random weights skip some words
    assert all(word in every for word in spoken)
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert times[-1] <= len(read_wav((folder / "a.wav").read_bytes()).audio) / 2 / 24000 + 1e-3
    subtitles = (folder / "words.srt").read_text()
    assert subtitles.startswith("1\n00:00:00,")
    assert sum(line.isdigit() for line in subtitles.splitlines()) == subtitles.count("-->") >= 2


async def test_info_describes_the_services(
    services: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await services.inside("info", "--json") == 0
    info = json.loads(capsys.readouterr().out)
    assert set(info["encodings"]) == {
        *("pcm16", "float32", "mulaw", "alaw", "wav", "flac", "ogg_opus", "mp3")
    }
    assert info["languages"] == []  # the voices state no language
    assert info["limits"]["max_stored_voices"] == 1000


def test_up_stores_voices_in_user_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def voice_store(**options: str) -> str:
        orchestrator = plan_services(UpOptions(port=0, http_port=0, **options))[-1]  # type: ignore[arg-type]
        flags = [each for each in orchestrator.arguments if each.startswith("--voice-store=")]
        return flags[0].removeprefix("--voice-store=")

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert voice_store().endswith("barkserve/voices")
    assert voice_store(voice_store="s3://bucket/voices") == "s3://bucket/voices"
    assert voice_store(voice_store="none") == ""


def test_missing_server_is_reported_for_streamed_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["say", "hello", "--stream-text", "--server", "localhost:1"], {}) == 3
    assert "nothing answers at localhost:1" in capsys.readouterr().err


async def test_sentence_is_spoken_before_the_next_is_sent(chain: Chain) -> None:
    text = "Hello the world. The brown fox speaks."
    async with AsyncClient(chain.address) as client, client.stream() as stream:
        whole = await client.synthesize(text, seed=3).read()
        context = stream.speak(seed=3, max_delay_ms=60_000)
        context.send(text[:18])  # with the first letter of the next sentence, which ends the first
        first = await anext(context)
        context.send(text[18:])
        context.end()
        rest = await context.read()
        assert first.audio + rest.audio == whole.audio
