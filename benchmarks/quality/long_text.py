"""Synthesize minutes of text in one request; measure memory, voice stability and lost sentences.

    barkserve up --port 0 --metrics-port 0 --http-port 0 -- python -m benchmarks.quality.long_text

Needs Linux (it reads /proc) and the packages of training/requirements.txt.
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
from training.data.sound import Wave, pitch
from training.data.texts import HELD_OUT
from training.evaluate.recognizer import Recognizer
from training.evaluate.word_errors import edits, words

RATE = 24_000
LETTERS_PER_MINUTE = 950  # bark-mini's pace
LOST = 0.7  # word error rate above which a segment counts as lost
REPEATED = 1.6  # recognized words / words above which a segment counts as repeated


@dataclass(frozen=True)
class SegmentScore:
    """Measurements of one segment.

    Attributes:
        text: the text of the segment.
        seconds: duration of its audio.
        pitch: median pitch in Hz.
        words: number of words in the text.
        errors: word errors of the recognizer, -1 if it was not run.
        recognized_words: number of words that the recognizer found, -1 if it was not run.
        finish_reason: why the segment ended.
    """

    text: str
    seconds: float
    pitch: float
    words: int
    errors: int
    recognized_words: int
    finish_reason: int


@dataclass(frozen=True)
class Memory:
    """Resident memory of each service in MB, after `speech_s` seconds of speech."""

    speech_s: float
    megabytes: dict[str, float]


@dataclass(frozen=True)
class Spoken:
    """The result of one request: float32 audio at 24 kHz, the last message, and timings."""

    audio: NDArray[np.float32]
    finished: speech_pb2.SynthesisFinished
    memory: list[Memory]
    first_sound_s: float
    wall_s: float


def text_of(minutes: float, seed: int) -> str:
    """Return the held-out sentences, repeated in new random orders, for about so many minutes."""
    lines, draw, chosen = HELD_OUT.read_text().split("\n"), random.Random(seed), list[str]()
    lines = [line for line in lines if line]
    while len(" ".join(chosen)) < minutes * LETTERS_PER_MINUTE:
        chosen += draw.sample(lines, len(lines))
    text = " ".join(chosen)
    end = text.find(". ", int(minutes * LETTERS_PER_MINUTE))
    return text[: end + 1] if end > 0 else text


def megabytes() -> dict[str, float]:
    """Return the resident MB of each service that the same `barkserve up` started."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
            command = status.with_name("cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue  # the process ended, or it is a kernel thread
        if int(fields["PPid"]) == os.getppid() and b"barkserve" in b" ".join(command):
            name = next(w.decode() for w in command if w.decode() in SERVICES)
            found[name] = int(fields["VmRSS"].split()[0]) / 1024
    return found


SERVICES = ("orchestrator", "semantic", "coarse", "fine", "codec")


def speak(text: str, server: str, voice: str) -> Spoken:
    """Synthesize the text in one call, and sample the memory every 15 s of speech."""
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


def median_pitch(wave: Wave) -> float:
    """Return the median pitch in Hz of the voiced frames."""
    track = pitch(wave)
    return float(np.median(track[track > 0])) if (track > 0).any() else 0.0


def score(spoken: Spoken, text: str, every: int) -> list[SegmentScore]:
    """Score all segments, and run the recognizer on each `every`th of them."""
    recognize, scores = Recognizer(), list[SegmentScore]()
    for index, segment in enumerate(spoken.finished.segments):
        wave = spoken.audio[segment.first_sample :][: segment.sample_count]
        said = words(text[segment.text_span.start : segment.text_span.end])
        found = words(recognize(wave)) if index % every == 0 else None
        scores.append(
            SegmentScore(
                text=text[segment.text_span.start : segment.text_span.end],
                seconds=len(wave) / RATE,
                pitch=median_pitch(wave),
                words=len(said),
                errors=-1 if found is None else edits(said, found),
                recognized_words=-1 if found is None else len(found),
                finish_reason=segment.finish_reason,
            )
        )
    return scores


def quarter(scores: list[SegmentScore]) -> dict[str, float]:
    """Return the pitch, pace and word error rate of one quarter of the speech."""
    recognized = [each for each in scores if each.errors >= 0]
    return {
        "median_pitch_hz": float(np.median([each.pitch for each in scores])),
        "ms_per_letter": 1000
        * sum(each.seconds for each in scores)
        / sum(len(each.text) for each in scores),
        "word_error_rate": sum(each.errors for each in recognized)
        / sum(each.words for each in recognized),
    }


def report(spoken: Spoken, text: str, scores: list[SegmentScore]) -> dict[str, object]:
    """Return all figures of the run."""
    recognized = [each for each in scores if each.errors >= 0]
    spans = [(p.text_span.start, p.text_span.end) for p in spoken.finished.segments]
    size = -(-len(scores) // 4)
    memory = spoken.memory
    settled = memory[len(memory) // 4]
    return {
        "speech_s": len(spoken.audio) / RATE,
        "wall_s": spoken.wall_s,
        "first_sound_s": spoken.first_sound_s,
        "segments": len(scores),
        "text_in_order_without_gap": " ".join(text[a:b] for a, b in spans) == text,
        "ended_by_model": sum(each.finish_reason == 1 for each in scores),
        "recognized_segments": len(recognized),
        "lost_segments": sum(each.errors > LOST * each.words for each in recognized),
        "repeated_segments": sum(
            each.recognized_words > REPEATED * each.words for each in recognized
        ),
        "quarters": [quarter(scores[n * size : (n + 1) * size]) for n in range(4)],
        "memory_mb_start_quarter_end": {
            name: [round(at.megabytes[name], 1) for at in (memory[0], settled, memory[-1])]
            for name in SERVICES
        },
    }


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--voice", default="v2/rms")
    parser.add_argument(
        "--every", type=int, default=1, help="run the recognizer on each Nth segment"
    )
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
            "segment_scores": list(map(asdict, scores)),
        }
        options.out.write_text(json.dumps(result | details, indent=1) + "\n")


if __name__ == "__main__":
    main()
