"""Speaks minutes of text as one request, and measures what must not change on the way: the memory
of the services, the voice, and that every sentence is heard once.

Run under `barkserve up --port 0 --metrics-port 0 -- python -m benchmarks.quality.long_text`; needs Linux
(/proc) and what training/requirements.txt names.
"""

import argparse
import json
import os
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
import numpy as np
from numpy.typing import NDArray

from barkserve.v1 import speech_pb2, speech_pb2_grpc
from training.data.texts import HELD_OUT
from training.evaluate.recognizer import Recogniser
from training.evaluate.scores import median_pitch
from training.evaluate.word_errors import edits, words

RATE = 24_000
LETTERS_A_MINUTE = 950  # of bark-mini
LOST = 0.7  # a sentence with a larger share of wrong words was not heard
TWICE = 1.6  # a sentence heard with more words than this share was heard twice


@dataclass(frozen=True)
class PieceScore:
    """One piece; errors and heard words are -1 where it was not recognised."""

    text: str
    seconds: float
    pitch: float
    words: int
    errors: int
    heard_words: int
    finish_reason: int


@dataclass(frozen=True)
class Memory:
    """Resident megabytes of each service, after so many seconds of speech."""

    speech_s: float
    megabytes: dict[str, float]


@dataclass(frozen=True)
class Spoken:
    """One request."""

    audio: NDArray[np.float32]
    finished: speech_pb2.SynthesisFinished
    memory: list[Memory]
    first_sound_s: float
    wall_s: float


def text_of(minutes: float, seed: int) -> str:
    """The held-out sentences, over and over, in a new order each time."""
    lines, draw, chosen = HELD_OUT.read_text().split("\n"), random.Random(seed), list[str]()
    lines = [line for line in lines if line]
    while len(" ".join(chosen)) < minutes * LETTERS_A_MINUTE:
        chosen += draw.sample(lines, len(lines))
    text = " ".join(chosen)
    end = text.find(". ", int(minutes * LETTERS_A_MINUTE))
    return text[: end + 1] if end > 0 else text


def megabytes() -> dict[str, float]:
    """Of the services that the same `barkserve up` started."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
            command = status.with_name("cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue  # it went, or it is a kernel thread
        if int(fields["PPid"]) == os.getppid() and b"barkserve" in b" ".join(command):
            name = next(w.decode() for w in command if w.decode() in SERVICES)
            found[name] = int(fields["VmRSS"].split()[0]) / 1024
    return found


SERVICES = ("orchestrator", "semantic", "coarse", "fine", "codec")


def speak(text: str, server: str, voice: str) -> Spoken:
    """One Synthesize call."""
    request = speech_pb2.SynthesizeRequest(
        text=text,
        seed=1,
        voice=speech_pb2.VoiceSelection(name=voice),
        audio_format=speech_pb2.AudioFormat(encoding=speech_pb2.AUDIO_ENCODING_FLOAT32),
    )
    parts, memory, first, due = list[bytes](), list[Memory](), 0.0, 0.0
    started = time.monotonic()
    with grpc.insecure_channel(server) as channel:
        for response in speech_pb2_grpc.SpeechServiceStub(channel).Synthesize(request):
            if response.WhichOneof("response") != "audio":
                continue
            parts.append(response.audio.audio)
            first = first or time.monotonic() - started
            spoken_s = response.audio.first_sample / RATE
            if spoken_s >= due:
                memory.append(Memory(spoken_s, megabytes()))
                due += 15.0
    audio = np.frombuffer(b"".join(parts), "<f4")
    return Spoken(audio, response.finished, memory, first, time.monotonic() - started)


def score(spoken: Spoken, text: str, every: int) -> list[PieceScore]:
    """Every piece; each `every`th is recognised."""
    hear, scores = Recogniser(), list[PieceScore]()
    for index, segment in enumerate(spoken.finished.segments):
        wave = spoken.audio[segment.first_sample :][: segment.sample_count]
        said = words(text[segment.text_span.start : segment.text_span.end])
        heard = words(hear(wave)) if index % every == 0 else None
        scores.append(
            PieceScore(
                text=text[segment.text_span.start : segment.text_span.end],
                seconds=len(wave) / RATE,
                pitch=median_pitch(wave),
                words=len(said),
                errors=-1 if heard is None else edits(said, heard),
                heard_words=-1 if heard is None else len(heard),
                finish_reason=segment.finish_reason,
            )
        )
    return scores


def quarter(scores: list[PieceScore]) -> dict[str, float]:
    """What is compared between the quarters of the speech."""
    heard = [each for each in scores if each.errors >= 0]
    return {
        "median_pitch_hz": float(np.median([each.pitch for each in scores])),
        "ms_a_letter": 1000
        * sum(each.seconds for each in scores)
        / sum(len(each.text) for each in scores),
        "word_error_rate": sum(each.errors for each in heard) / sum(each.words for each in heard),
    }


def report(spoken: Spoken, text: str, scores: list[PieceScore]) -> dict[str, object]:
    """All figures."""
    heard = [each for each in scores if each.errors >= 0]
    spans = [(p.text_span.start, p.text_span.end) for p in spoken.finished.segments]
    size = -(-len(scores) // 4)
    memory = spoken.memory
    settled = memory[len(memory) // 4]
    return {
        "speech_s": len(spoken.audio) / RATE,
        "wall_s": spoken.wall_s,
        "first_sound_s": spoken.first_sound_s,
        "pieces": len(scores),
        "text_in_order_without_gap": " ".join(text[a:b] for a, b in spans) == text,
        "stopped_by_themselves": sum(each.finish_reason == 1 for each in scores),
        "recognised_pieces": len(heard),
        "not_heard": sum(each.errors > LOST * each.words for each in heard),
        "heard_twice": sum(each.heard_words > TWICE * each.words for each in heard),
        "quarters": [quarter(scores[n * size : (n + 1) * size]) for n in range(4)],
        "memory_mb_start_quarter_end": {
            name: [round(at.megabytes[name], 1) for at in (memory[0], settled, memory[-1])]
            for name in SERVICES
        },
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--voice", default="v2/rms")
    parser.add_argument("--every", type=int, default=1, help="recognise each Nth piece")
    parser.add_argument("--server", default=os.environ.get("BARKCLIENT_SERVER", "127.0.0.1:50051"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    text = text_of(options.minutes, seed=1)
    spoken = speak(text, options.server, options.voice)
    scores = score(spoken, text, options.every)
    result = report(spoken, text, scores)
    print(json.dumps(result, indent=2))
    if options.out:
        details = {
            "memory": [asdict(m) for m in spoken.memory],
            "pieces": list(map(asdict, scores)),
        }
        options.out.write_text(json.dumps(result | details, indent=1) + "\n")


if __name__ == "__main__":
    main()
