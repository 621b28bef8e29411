"""Options of `barkclient say`."""

from dataclasses import dataclass, field
from typing import get_args

from barkclient.cli.common import CommonArguments, JoinWords, decimal, number, option, whole_seed
from barkclient.cli.formats import FORMATS, Format, Samples, Target, choose_target
from barkclient.errors import InvalidRequest
from barkclient.options import (
    Delivery,
    FineOptions,
    Sampling,
    SemanticOptions,
    SynthesisOptions,
    TailOptions,
    TextFormat,
)


@dataclass(frozen=True, kw_only=True)
class SayArguments(CommonArguments):
    """Command line of `barkclient say`."""

    text: str = field(
        metadata=option(
            "the text to speak; - reads standard input. Write -- before a text that begins with -",
            metavar="TEXT",
            nargs="+",
            action=JoinWords,
        )
    )
    stream_text: bool = field(
        default=False,
        metadata=option(
            "speak while the text is being written: with -, as it is typed or piped in",
            "--stream-text",
            action="store_true",
        ),
    )
    output: str | None = field(
        default=None,
        metadata=option(
            "output file; - is standard output (default: speech.FORMAT, none with --play)",
            "-o",
            "--output",
            metavar="FILE",
            group="output",
        ),
    )
    format: Format | None = field(
        default=None,
        metadata=option(
            "format of the file (default: from its suffix, else wav)",
            "--format",
            choices=FORMATS,
            group="output",
        ),
    )
    rate: int = field(
        default=0,
        metadata=option(
            "sample rate, 8000 to 48000 (default: the checkpoint's, 24000)",
            "--rate",
            type=number,
            metavar="HZ",
            group="output",
        ),
    )
    encoding: Samples = field(
        default="pcm16",
        metadata=option(
            "sample type of wav and pcm",
            "--encoding",
            choices=get_args(Samples),
            group="output",
        ),
    )
    speaking_rate: float = field(
        default=1.0,
        metadata=option(
            "speed of the speech at the same pitch, 0.5 to 2",
            "--speaking-rate",
            type=float,
            metavar="R",
            group="output",
        ),
    )
    gain: float = field(
        default=0.0,
        metadata=option(
            "change the loudness, -40 to 40",
            "--gain",
            type=decimal,
            metavar="DB",
            group="output",
        ),
    )
    limit_peaks: bool = field(
        default=False,
        metadata=option(
            "limit peaks that --gain lifts too high, instead of clipping them",
            "--limit-peaks",
            action="store_true",
            group="output",
        ),
    )
    chunk_ms: int | None = field(
        default=None,
        metadata=option(
            "length of a chunk, 20 to 5000 (default: as generated)",
            "--chunk-ms",
            type=number,
            metavar="MS",
            group="output",
        ),
    )
    play: bool = field(
        default=False,
        metadata=option(
            "play the audio as it arrives",
            "--play",
            action="store_true",
            group="output",
        ),
    )
    voice: str | None = field(
        default=None,
        metadata=option(
            "a voice's name, none, handle:... from --keep-voice, or an .npz file",
            "--voice",
            metavar="VOICE",
            group="voice",
        ),
    )
    save_voice: str | None = field(
        default=None,
        metadata=option(
            "save a voice that continues this speech",
            "--save-voice",
            metavar="FILE.npz",
            group="voice",
        ),
    )
    keep_voice: bool = field(
        default=False,
        metadata=option(
            "keep that voice on the server for a limited time and print its handle",
            "--keep-voice",
            action="store_true",
            group="voice",
        ),
    )
    language: str = field(
        default="",
        metadata=option(
            "language of the text, to find sentence ends: en, pt-BR (default: the voice's)",
            "--language",
            metavar="CODE",
            group="voice",
        ),
    )
    text_format: TextFormat = field(
        default="auto",
        metadata=option(
            "format of the text; auto: ssml after <speak>, else markdown",
            "--text-format",
            choices=get_args(TextFormat),
            group="voice",
        ),
    )
    pronounce: tuple[str, ...] = field(
        default=(),
        metadata=option(
            "read a word in another way: SQL=sequel; may be repeated",
            "--pronounce",
            metavar="WORD=SPELLING",
            action="append",
            group="voice",
        ),
    )
    timestamps: str | None = field(
        default=None,
        metadata=option(
            "write the time of each word, as .srt, .vtt or .json",
            "--timestamps",
            metavar="FILE",
            group="output",
        ),
    )
    seed: int | None = field(
        default=None,
        metadata=option(
            "a seed; the same one gives the same audio",
            "--seed",
            type=whole_seed,
            metavar="N",
            group="generation",
        ),
    )
    greedy: bool = field(
        default=False,
        metadata=option(
            "always take the most likely token",
            "--greedy",
            action="store_true",
            group="generation",
        ),
    )
    delivery: Delivery = field(
        default="streaming",
        metadata=option(
            "exact equals offline generation and starts later",
            "--delivery",
            choices=get_args(Delivery),
            group="generation",
        ),
    )
    max_silence: float | None = field(
        default=None,
        metadata=option(
            "longest silence at the end of a segment; the rest is cut",
            "--max-silence",
            type=decimal,
            metavar="SECONDS",
            group="generation",
        ),
    )
    max_seconds_per_character: float | None = field(
        default=None,
        metadata=option(
            "longest segment: 2 s plus this time per character; 0: no limit",
            "--max-seconds-per-character",
            type=decimal,
            metavar="SECONDS",
            group="generation",
        ),
    )
    redraws: int = field(
        default=0,
        metadata=option(
            "with --delivery exact: more seeds for a failed segment, 0 to 3",
            "--redraws",
            type=number,
            metavar="N",
            group="generation",
        ),
    )
    semantic_temperature: float | None = field(
        default=None,
        metadata=option(
            "temperature of the semantic model: pace and intonation",
            "--semantic-temperature",
            type=decimal,
            metavar="T",
            group="generation",
        ),
    )
    coarse_temperature: float | None = field(
        default=None,
        metadata=option(
            "temperature of the coarse model: timbre",
            "--coarse-temperature",
            type=decimal,
            metavar="T",
            group="generation",
        ),
    )
    fine_temperature: float | None = field(
        default=None,
        metadata=option(
            "temperature of the fine model: detail",
            "--fine-temperature",
            type=decimal,
            metavar="T",
            group="generation",
        ),
    )
    top_k: int | None = field(
        default=None,
        metadata=option(
            "sample from the K most likely tokens (semantic, coarse)",
            "--top-k",
            type=number,
            metavar="K",
            group="generation",
        ),
    )
    top_p: float | None = field(
        default=None,
        metadata=option(
            "sample from the most likely tokens that sum to P (semantic, coarse)",
            "--top-p",
            type=decimal,
            metavar="P",
            group="generation",
        ),
    )
    min_eos_p: float | None = field(
        default=None,
        metadata=option(
            "end a segment when its end is at least this probable",
            "--min-eos-p",
            type=decimal,
            metavar="P",
            group="generation",
        ),
    )
    quiet: bool = field(
        default=False,
        metadata=option("print neither progress nor summary", "-q", "--quiet", action="store_true"),
    )

    def target(self) -> Target:
        """Return where the audio is written.

        Raises:
            InvalidRequest: the options contradict each other.
        """
        return choose_target(self.output, self.format, self.encoding, play=self.play)

    def synthesis_options(self) -> SynthesisOptions:
        """Return the keyword arguments of `synthesize`."""
        return {
            "voice": self.voice,
            "seed": self.seed,
            "greedy": self.greedy,
            "delivery": self.delivery,
            "encoding": self.target().encoding,
            "sample_rate": _not_negative("--rate", self.rate),
            "speaking_rate": self.speaking_rate,
            "gain_db": self.gain,
            "limit_peaks": self.limit_peaks,
            "chunk_ms": self.chunk_ms,
            "language": self.language,
            "text_format": self.text_format,
            "word_times": self.timestamps is not None,
            "lexicon": dict(map(_spelling, self.pronounce or ())),
            "tail": self._tail(),
            "return_voice": self.save_voice is not None,
            "keep_voice": self.keep_voice,
            **self._sampling(),
        }

    def _tail(self) -> TailOptions | None:
        tail = TailOptions(
            max_seconds_per_character=self.max_seconds_per_character,
            max_silence_s=self.max_silence,
            max_redraws=self.redraws,
        )
        return None if tail == TailOptions() else tail

    def _sampling(self) -> SynthesisOptions:
        top_k, top_p = self.top_k, self.top_p
        return {
            "semantic": SemanticOptions(
                temperature=self.semantic_temperature,
                top_k=top_k,
                top_p=top_p,
                min_eos_p=self.min_eos_p,
            ),
            "coarse": Sampling(temperature=self.coarse_temperature, top_k=top_k, top_p=top_p),
            "fine": FineOptions(temperature=self.fine_temperature),
        }


def _spelling(given: str) -> tuple[str, str]:
    word, equals, spelling = given.rpartition("=")
    if not (equals and word.strip() and spelling.strip()):
        raise InvalidRequest(f"--pronounce needs WORD=SPELLING: {given}")
    return word, spelling


def _not_negative(flag: str, value: int) -> int:
    if value < 0:
        raise InvalidRequest(f"{flag} must not be negative: {value}")
    return value
