"""Evaluate an exported checkpoint on the held-out sentences: words, naturalness, pitch, endings.

Generation is transformers' own, stage by stage. The metrics are independent of training. Sampling
parameters are tuned on `tuning_sentences.txt` (`--texts`), never on the held-out sentences.
"""

import argparse
import json
import time
import wave as wave_file
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoProcessor, BarkModel
from transformers.models.bark.generation_configuration_bark import (
    BarkCoarseGenerationConfig,
    BarkFineGenerationConfig,
    BarkSemanticGenerationConfig,
)

from training.config import SAMPLE_RATE, SPEAKERS, Speaker, Work
from training.data.features import ReadingFeatures
from training.data.semantic_tokens import phone_runs
from training.data.sound import Wave, pitch, pitch_correlation
from training.data.teacher import reader_of
from training.data.texts import HELD_OUT
from training.evaluate.naturalness import naturalness
from training.evaluate.recognizer import Recognizer
from training.evaluate.speakers import Speakers
from training.evaluate.word_errors import edits, words, words_after

Voice = str | dict[str, NDArray[np.int64]] | None


@dataclass(frozen=True)
class Generation:
    """One generated utterance."""

    semantic: NDArray[np.int64]  # without EOS
    ended: bool
    codes: NDArray[np.int64]  # (8, frames)
    wave: Wave


@dataclass(frozen=True)
class TeacherReading:
    """The teacher's reading, cut as the training data was."""

    semantic: NDArray[np.int64]
    wave: Wave


@dataclass(frozen=True)
class Given:
    """Measurements with the teacher's own semantic tokens, so that times agree."""

    errors: int
    pitch_correlation: float
    voiced_overlap: float
    p808: float


@dataclass(frozen=True)
class Score:
    """Measurements of one sentence."""

    text: str
    words: int
    teacher_errors: int
    errors: int
    recognized: str
    words_after: int  # recognized after the last word of the text
    phones: int
    phone_errors: int
    ended: bool
    seconds: float
    teacher_seconds: float
    compute_seconds: float
    p808: float
    dnsmos: float
    teacher_p808: float
    teacher_dnsmos: float
    similarity: float  # to the teacher's reading
    own_codes: float  # share of codebook 0 from the speaker's slice
    given: Given | None


class Mini:
    """The checkpoint, run stage by stage with transformers."""

    def __init__(self, folder: Path) -> None:
        self._processor = AutoProcessor.from_pretrained(folder)
        self._model = BarkModel.from_pretrained(folder, dtype=torch.float32).eval()
        config = self._model.generation_config
        self._semantic = BarkSemanticGenerationConfig(**config.semantic_config)
        self._coarse = BarkCoarseGenerationConfig(**config.coarse_acoustics_config)
        self._fine = BarkFineGenerationConfig(**config.fine_acoustics_config)

    @torch.no_grad()
    def speak(self, texts: list[str], voice: Voice) -> list[Generation]:
        """Synthesize texts in one batch."""
        inputs = [self._processor(text, voice_preset=voice) for text in texts]
        history = inputs[0].get("history_prompt")
        tokens = self._model.semantic.generate(
            torch.cat([one["input_ids"] for one in inputs]),
            attention_mask=torch.cat([one["attention_mask"] for one in inputs]),
            history_prompt=history,
            semantic_generation_config=self._semantic,
        )
        ended = (tokens == self._semantic.eos_token_id).any(1).tolist()
        return self._finish(tokens, history, ended)

    @torch.no_grad()
    def say_tokens(self, semantic: list[NDArray[np.int64]], voice: Voice) -> list[Generation]:
        """Synthesize semantic tokens."""
        history, longest = self._processor("a", voice_preset=voice), max(map(len, semantic))
        pad = self._semantic.eos_token_id
        rows = [np.pad(row, (0, longest - len(row)), constant_values=pad) for row in semantic]
        tokens = torch.from_numpy(np.stack(rows))
        return self._finish(tokens, history.get("history_prompt"), [True] * len(semantic))

    def _finish(self, tokens: torch.Tensor, history: object, ended: list[bool]) -> list[Generation]:
        shared = {
            "history_prompt": history,
            "semantic_generation_config": self._semantic,
            "coarse_generation_config": self._coarse,
            "codebook_size": 1024,
        }
        drawn, lengths = self._model.coarse_acoustics.generate(
            tokens.clone(), return_output_lengths=True, **shared
        )
        made = []
        for row, coarse, length, end in zip(tokens, drawn, lengths.tolist(), ended, strict=True):
            codes = self._model.fine_acoustics.generate(
                coarse[None, :length], fine_generation_config=self._fine, **shared
            )[0].numpy()
            said = row[row != self._semantic.eos_token_id].numpy()
            made.append(Generation(said, end, codes, self.decode(codes)))
        return made

    @torch.no_grad()
    def decode(self, codes: NDArray[np.int64]) -> Wave:
        """Decode codes (8, frames) to samples."""
        result: Wave = self._model.codec_decode(torch.from_numpy(codes)[None]).flatten().numpy()
        return result


class Teacher:
    """The teacher of a speaker, with the boundaries that the training data had."""

    def __init__(self, work: Work, speaker: Speaker) -> None:
        self._speaker = speaker
        self._reader, self._features = reader_of(speaker, work), ReadingFeatures(work)

    def read(self, text: str) -> TeacherReading:
        """Read one sentence."""
        made = self._features.of(self._reader.read(text.lower(), 0), self._speaker)
        return TeacherReading(made.semantic.astype(np.int64), made.speech.wave)


@dataclass(frozen=True)
class EvaluationOptions:
    """Options of an evaluation."""

    voice: str | None
    speaker: Speaker
    given_sentences: int  # sentences also synthesized from the teacher's tokens
    chain: bool  # each utterance is the history of the next
    audio: Path | None


class Evaluator:
    """Scores sentences."""

    def __init__(self, mini: Mini, teacher: Teacher, options: EvaluationOptions) -> None:
        self._mini, self._teacher, self._options = mini, teacher, options
        self._recognize, self._speakers = Recognizer(), Speakers()
        self._voice: Voice = options.voice

    def scores(self, first: int, texts: list[str]) -> list[Score]:
        """Score texts, the first of which has the index `first`."""
        begin = time.perf_counter()
        made = self._mini.speak(texts, self._voice)
        compute = (time.perf_counter() - begin) / len(texts)
        truths = [self._teacher.read(text) for text in texts]
        asked = truths[: max(0, self._options.given_sentences - first)]
        tokens = [one.semantic for one in asked]
        given = self._mini.say_tokens(tokens, self._voice) if asked else []
        rows = zip_longest(range(first, first + len(texts)), texts, made, truths, given)
        return [self._score(*row, compute) for row in rows]

    def _score(
        self,
        index: int,
        text: str,
        made: Generation,
        truth: TeacherReading,
        given: Generation | None,
        compute: float,
    ) -> Score:
        self._keep(index, made, truth, given)
        said, recognized = words(text), self._recognize(made.wave)
        sounds = phone_runs(truth.semantic)[0].tolist()
        own = made.codes[0] - self._options.speaker.first_code
        quality, best = naturalness(made.wave), naturalness(truth.wave)
        return Score(
            text=text,
            words=len(said),
            teacher_errors=edits(said, words(self._recognize(truth.wave))),
            errors=edits(said, words(recognized)),
            recognized=recognized,
            words_after=words_after(said, words(recognized)),
            phones=len(sounds),
            phone_errors=edits(sounds, phone_runs(made.semantic)[0].tolist()),
            ended=made.ended,
            seconds=len(made.wave) / SAMPLE_RATE,
            teacher_seconds=len(truth.wave) / SAMPLE_RATE,
            compute_seconds=compute,
            p808=quality.p808,
            dnsmos=quality.overall,
            teacher_p808=best.p808,
            teacher_dnsmos=best.overall,
            similarity=self._speakers.similarity(made.wave, truth.wave),
            own_codes=float(((own >= 0) & (own < self._options.speaker.codes)).mean()),
            given=self._given(said, truth, given) if given else None,
        )

    def _given(self, said: list[str], truth: TeacherReading, made: Generation) -> Given:
        follows, overlap = pitch_correlation(pitch(truth.wave), pitch(made.wave))
        return Given(
            errors=edits(said, words(self._recognize(made.wave))),
            pitch_correlation=follows,
            voiced_overlap=overlap,
            p808=naturalness(made.wave).p808,
        )

    def _keep(
        self, index: int, made: Generation, truth: TeacherReading, given: Generation | None
    ) -> None:
        if self._options.chain:
            codes = made.codes
            self._voice = {
                "semantic_prompt": made.semantic,
                "coarse_prompt": codes[:2],
                "fine_prompt": codes,
            }
        if self._options.audio:
            waves = {"mini": made.wave, "teacher": truth.wave}
            if given:
                waves["given"] = given.wave
            for name, audio in waves.items():
                save_wave(self._options.audio / f"{index:03d}_{name}.wav", audio)


def save_wave(path: Path, wave: Wave) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave_file.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((wave.clip(-1, 1) * 32767).astype(np.int16).tobytes())


def summary(scores: list[Score]) -> dict[str, float]:
    """Return the figures over all sentences."""
    count = sum(score.words for score in scores)

    def mean(name: str) -> float:
        return float(np.mean([getattr(score, name) for score in scores]))

    return {
        "sentences": len(scores),
        "words": count,
        "wer_teacher": sum(score.teacher_errors for score in scores) / count,
        "wer": sum(score.errors for score in scores) / count,
        "phone_error_rate": sum(s.phone_errors for s in scores) / sum(s.phones for s in scores),
        "ended": mean("ended"),
        "babbled": float(np.mean([score.words_after > 0 for score in scores])),
        "length_of_teachers": mean("seconds") / mean("teacher_seconds"),
        "p808": mean("p808"),
        "teacher_p808": mean("teacher_p808"),
        "dnsmos": mean("dnsmos"),
        "teacher_dnsmos": mean("teacher_dnsmos"),
        "similarity": mean("similarity"),
        "own_codes": mean("own_codes"),
        "real_time_factor": sum(s.compute_seconds for s in scores) / sum(s.seconds for s in scores),
        **given_summary([score for score in scores if score.given]),
    }


def given_summary(scores: list[Score]) -> dict[str, float]:
    """Return the figures over sentences synthesized from the teacher's semantic tokens."""
    given = [score.given for score in scores if score.given]
    if not given:
        return {}
    count = sum(score.words for score in scores)
    return {
        "given_sentences": len(given),
        "given_wer_teacher": sum(score.teacher_errors for score in scores) / count,
        "given_wer": sum(one.errors for one in given) / count,
        "given_pitch_correlation": float(np.mean([one.pitch_correlation for one in given])),
        "given_voiced_overlap": float(np.mean([one.voiced_overlap for one in given])),
        "given_p808": float(np.mean([one.p808 for one in given])),
    }


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument(
        "--work", type=Path, default=Work().root, help="for the boundaries of phones"
    )
    parser.add_argument("--voice", help="v2/heart; default: no history")
    parser.add_argument(
        "--texts", type=Path, default=HELD_OUT, help="file with one sentence per line"
    )
    parser.add_argument("--first", type=int, default=0, help="index of the first sentence")
    parser.add_argument("--sentences", type=int, default=1000, help="number of sentences")
    parser.add_argument(
        "--given", type=int, default=0, help="sentences to synthesize from the teacher's tokens too"
    )
    parser.add_argument(
        "--chain", action="store_true", help="use each utterance as the history of the next"
    )
    parser.add_argument("--audio", type=Path, help="folder for the audio")
    parser.add_argument("--output", type=Path, help="JSON file for all scores")
    parser.add_argument("--batch", type=int, default=8, help="sentences per batch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    flags = parse()
    torch.set_num_threads(flags.threads)
    torch.manual_seed(flags.seed)
    name = flags.voice.removeprefix("v2/") if flags.voice else SPEAKERS[0].name
    speaker = next(speaker for speaker in SPEAKERS if speaker.name == name)
    options = EvaluationOptions(flags.voice, speaker, flags.given, flags.chain, flags.audio)
    teacher = Teacher(Work(flags.work), speaker)
    evaluator, scores = Evaluator(Mini(flags.checkpoint), teacher, options), list[Score]()
    texts = flags.texts.read_text().splitlines()[flags.first :][: flags.sentences]
    size = 1 if flags.chain else flags.batch
    for begin in range(0, len(texts), size):
        scores += evaluator.scores(flags.first + begin, texts[begin : begin + size])
        for last in scores[begin:]:
            print(f"{last.errors}/{last.words} {last.text} -> {last.recognized}", flush=True)
    figures = summary(scores)
    print(json.dumps(figures, indent=1))
    if flags.output:
        document = {"figures": figures, "scores": [asdict(score) for score in scores]}
        flags.output.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
