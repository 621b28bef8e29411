"""Compare an utterance through `barkserve up` with transformers, as a user runs both.

    python -m benchmarks.up --shape small --out benchmarks/results/up-cpu.json

Both sides have the same random checkpoint of Bark's real shapes, the same number of tokens, and the
whole machine in turn (A B A B). Ratios are of transformers' whole utterance: to ours, and to our
first sound.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from barkclient.bench.results import Metrics
from barkserve.v1 import common_pb2, speech_pb2, speech_pb2_grpc
from benchmarks.report import SHAPES, spec_of, write_report
from benchmarks.stages import inputs
from benchmarks.stages.worker import Work, Worker
from fixtures.checkpoints import build_checkpoint

READY = b"barkserve is up at "
WARM_UP_TOKENS = 60
TEXT = "a quick brown fox jumps over the lazy dog"


@dataclass(frozen=True)
class Spoken:
    """One utterance of ours.

    Attributes:
        seconds: until its end.
        first_s: until its first sound.
        audio_s: seconds of audio.
        chunk_plan: when the fine stage filled, as the server reported it.
    """

    seconds: float
    first_s: float
    audio_s: float
    chunk_plan: str


@asynccontextmanager
async def server(folder: Path, flags: list[str]) -> AsyncIterator[str]:
    """Run `barkserve up`; yields host:port of the orchestrator."""
    command = (
        *("-m", "barkserve", "up", f"--checkpoint={folder}", "--port=0", "--metrics-port=0"),
        *("--http-port=0", "--wyoming-port=0", "--voice-store=none", *flags),
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        async for line in process.stderr:
            print(line.decode(), end="", file=sys.stderr)
            if line.startswith(READY):
                yield line.removeprefix(READY).split(b";")[0].decode()
                return
        raise SystemExit(f"barkserve up ended with {await process.wait()}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def speak(
    stub: "speech_pb2_grpc.SpeechServiceAsyncStub", tokens: int, given: argparse.Namespace
) -> Spoken:
    """Speak a text with a number of semantic tokens."""
    request = speech_pb2.SynthesizeRequest(
        text=TEXT, greedy=True, seed=0, delivery_mode=_mode(given.delivery), voice=_voice(given)
    )
    request.semantic.max_tokens = tokens
    started, first_s, samples, plan = time.perf_counter(), 0.0, 0, ""
    async for response in stub.Synthesize(request):
        if response.HasField("started"):
            plan = " ".join(str(response.started.chunk_plan).split())
        if response.HasField("audio"):
            first_s = first_s or time.perf_counter() - started
            samples += response.audio.sample_count
    return Spoken(time.perf_counter() - started, first_s, samples / 24_000, plan)


async def measure(folder: Path, given: argparse.Namespace) -> tuple[Metrics, str]:
    """Run both sides in turn; returns medians and the chunk plan."""
    seconds = given.tokens / 49.9
    work = Work(str(folder), "chain", given.tokens, seconds, voice=given.voice)
    ours: list[Spoken] = []
    theirs: list[float] = []
    async with server(folder, given.flag) as address, grpc.aio.insecure_channel(address) as channel:
        stub = speech_pb2_grpc.SpeechServiceStub(channel)
        await speak(stub, WARM_UP_TOKENS, given)
        with Worker("benchmarks.stages.transformers_runner", work) as transformers:
            for _ in range(given.pairs):
                theirs.append((await asyncio.to_thread(transformers.run)).seconds)
                ours.append(await speak(stub, given.tokens, given))
    pairs = list(zip(theirs, ours, strict=True))
    values = {
        "audio_s": ours[0].audio_s,
        "transformers_s": statistics.median(theirs),
        "barkserve_s": statistics.median(each.seconds for each in ours),
        "barkserve_first_s": statistics.median(each.first_s for each in ours),
        "ratio": statistics.median(them / us.seconds for them, us in pairs),
        "ratio_of_first": statistics.median(them / us.first_s for them, us in pairs),
    }
    return {name: round(value, 3) for name, value in values.items()}, ours[0].chunk_plan


def _mode(delivery: str) -> common_pb2.DeliveryMode:
    if delivery == "exact":
        return common_pb2.DELIVERY_MODE_EXACT
    return common_pb2.DELIVERY_MODE_STREAMING


def _voice(given: argparse.Namespace) -> speech_pb2.VoiceSelection:
    if not given.voice:
        return speech_pb2.VoiceSelection(name="none")
    voice = inputs.Voice.random()
    return speech_pb2.VoiceSelection(
        history_prompt=common_pb2.HistoryPrompt(
            semantic_prompt=voice.semantic.tolist(),
            coarse_prompt=voice.fine[:, :2].ravel().tolist(),
            fine_prompt=voice.fine.ravel().tolist(),
        )
    )


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=250, help="semantic tokens, 49.9 per second")
    parser.add_argument("--voice", action="store_true", help="with a voice that fills the windows")
    parser.add_argument("--delivery", choices=("streaming", "exact"), default="streaming")
    parser.add_argument("--flag", action="append", default=[], help="option of barkserve up")
    parser.add_argument("--out", type=Path, help="results file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint"
        build_checkpoint(checkpoint, spec_of(given.shape))
        row, plan = asyncio.run(measure(checkpoint, given))
    voice = "with a voice" if given.voice else "no voice"
    name = f"{given.shape}, {row['audio_s']:.1f} s, {given.delivery}, {voice}"
    method = {"pairs": given.pairs, "flags": " ".join(given.flag), "chunk_plan": plan}
    write_report(given.out, "up", method, {name: row})


if __name__ == "__main__":
    main()
