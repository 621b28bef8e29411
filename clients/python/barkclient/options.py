"""Options of a synthesis, and the requests that carry them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, Unpack, cast, get_type_hints

from barkclient._internal.encoding_errors import encoding_errors
from barkclient._internal.option_checks import CheckedOptions, check_names, check_types
from barkclient.errors import InvalidRequest
from barkclient.voices import VoiceLike, voice_selection
from barkserve.v1 import common_pb2, speech_pb2

Delivery = Literal["streaming", "exact"]
TextFormat = Literal["auto", "plain", "markdown", "ssml"]
Encoding = Literal["pcm16", "float32", "mulaw", "alaw", "wav", "flac", "ogg_opus", "mp3"]

SAMPLE_BYTES: Mapping[Encoding, int] = {"pcm16": 2, "float32": 4, "mulaw": 1, "alaw": 1}
"""Bytes per sample, for the encodings that consist only of samples."""


@dataclass(frozen=True, kw_only=True)
class Sampling(CheckedOptions):
    """How a model samples its next token. None: the checkpoint's default.

    Attributes:
        temperature: above 0, at most 10.
        top_k: sample from this many of the most likely tokens; 0: from all.
        top_p: sample from the most likely tokens that sum to this probability, 0 to 1.
        greedy: always take the most likely token.
    """

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    greedy: bool | None = None


@dataclass(frozen=True, kw_only=True)
class SemanticOptions(Sampling):
    """Options of the semantic model, which decides pace and intonation.

    Attributes:
        min_eos_p: end the utterance when its end is at least this probable.
        max_tokens: 1 to 768; 49.9 tokens are one second.
    """

    min_eos_p: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, kw_only=True)
class FineOptions(Sampling):
    """Options of the fine model. Of the sampling, it uses only `temperature` and `greedy`.

    Attributes:
        lookahead_frames: frames (1/75 s) that must follow a frame before it is sent, 0 to 512.
    """

    lookahead_frames: int | None = None


@dataclass(frozen=True, kw_only=True)
class TailOptions(CheckedOptions):
    """How to end a segment that continues after its text. None: the server's default.

    Attributes:
        max_seconds_per_character: longest segment, in addition to 2 s; 0: no limit; at most 10.
        max_silence_s: silence to keep at the end of a segment, 0 to 10.
        max_redraws: more seeds for a failed segment, 0 to 3; needs delivery "exact".
    """

    max_seconds_per_character: float | None = None
    max_silence_s: float | None = None
    max_redraws: int = 0


@dataclass(frozen=True, kw_only=True)
class LexiconEntry(CheckedOptions):
    """How a word is read. It needs either a spelling or sounds.

    Attributes:
        word: the word as it is written, at most 64 characters; it may hold spaces.
        spelling: text that is read in its place.
        ipa: its sounds in the International Phonetic Alphabet.
        match_case: whether upper and lower case must be as in `word`.
    """

    word: str
    spelling: str = ""
    ipa: str = ""
    match_case: bool = False


class SynthesisOptions(TypedDict, total=False):
    """Keyword arguments of `synthesize`. Each is optional.

    Attributes:
        voice: a name, "none", a handle, an .npz file or the tokens; None: the server's default.
        seed: the same seed gives the same audio; None: random.
        greedy: every model always takes its most likely token.
        delivery: "streaming"; "exact" equals offline generation and starts later.
        encoding: pcm16, float32, mulaw, alaw, wav, flac, ogg_opus or mp3.
        sample_rate: 8000 to 48000 Hz; 0: the checkpoint's, 24000.
        speaking_rate: speed at the same pitch, 0.5 to 2; 1: the model's own.
        first_chunk_ms: audio in the first chunk, 0 to 1000; None: as soon as possible.
        chunk_ms: audio in later chunks, 20 to 5000; None: as generated.
        gain_db: change of the loudness, -40 to 40.
        limit_peaks: limit peaks that the gain lifts too high, instead of clipping them.
        language: BCP 47 code of the text, to find sentence ends; empty: the voice's.
        text_format: plain, markdown or ssml; auto: ssml after <speak>, else markdown.
        word_times: report in `words` when each word is spoken.
        lexicon: how words are read: spellings by words, or a sequence of LexiconEntry.
        tail: TailOptions, how a segment ends; None: the server's default.
        request_id: for the server's logs and `started`; empty: the server makes one.
        return_voice: `finished.voice` is then a voice that continues this speech.
        keep_voice: `finished.voice_handle` is then such a voice, kept on the server.
        semantic: SemanticOptions, for pace and intonation.
        coarse: Sampling, for the timbre.
        fine: FineOptions, for the detail.
    """

    voice: VoiceLike
    seed: int | None
    greedy: bool
    delivery: Delivery
    encoding: Encoding
    sample_rate: int
    speaking_rate: float
    first_chunk_ms: int | None
    chunk_ms: int | None
    gain_db: float
    limit_peaks: bool
    language: str
    text_format: TextFormat
    word_times: bool
    lexicon: Mapping[str, str] | Sequence[LexiconEntry]
    tail: TailOptions | None
    request_id: str
    return_voice: bool
    keep_voice: bool
    semantic: SemanticOptions
    coarse: Sampling
    fine: FineOptions


class StreamOptions(SynthesisOptions, total=False):
    """Keyword arguments of `synthesize_stream` and `speak`: these and those of SynthesisOptions.

    Attributes:
        max_delay_ms: how long text may wait for the end of its sentence, 0 to 60000; None: 400.
    """

    max_delay_ms: int | None


def build_config(**options: Unpack[StreamOptions]) -> speech_pb2.StreamingConfig:
    """Build the message that opens a context; errors as in build_request."""
    _check(options, get_type_hints(StreamOptions))
    return _encode_config(**options)


def build_request(text: str, **options: Unpack[SynthesisOptions]) -> speech_pb2.SynthesizeRequest:
    """Build the request of one synthesis.

    Raises:
        InvalidRequest: an option is unknown, has a wrong type or cannot be sent. The server checks
            the others.
    """
    check_types({"text": text}, {"text": str})
    if "max_delay_ms" in options:
        raise InvalidRequest.of_field("max_delay_ms", "is for synthesize_stream and speak only")
    _check(options, get_type_hints(SynthesisOptions))
    return _encode_request(text, **options)


def resumed_config(
    config: speech_pb2.StreamingConfig, resume: speech_pb2.Resume | None
) -> speech_pb2.StreamingConfig:
    """Return the message that opens a context again; a None `resume` changes nothing."""
    changed = speech_pb2.StreamingConfig()
    changed.CopyFrom(config)
    if resume is not None:
        changed.options.resume.CopyFrom(resume)
    return changed


def resumed_request(
    request: speech_pb2.SynthesizeRequest, resume: speech_pb2.Resume | None
) -> speech_pb2.SynthesizeRequest:
    """Return the request that continues a synthesis; a None `resume` changes nothing."""
    changed = speech_pb2.SynthesizeRequest()
    changed.CopyFrom(request)
    if resume is not None:
        changed.resume.CopyFrom(resume)
    return changed


def _encode_config(
    *, max_delay_ms: int | None = None, **options: Unpack[SynthesisOptions]
) -> speech_pb2.StreamingConfig:
    request = _encode_request("", **options)
    with encoding_errors():
        return speech_pb2.StreamingConfig(options=request, max_delay_ms=max_delay_ms)


def _encode_request(
    text: str,
    *,
    voice: VoiceLike = None,
    seed: int | None = None,
    greedy: bool = False,
    delivery: Delivery = "streaming",
    encoding: Encoding = "pcm16",
    sample_rate: int = 0,
    speaking_rate: float = 1.0,
    first_chunk_ms: int | None = None,
    chunk_ms: int | None = None,
    gain_db: float = 0.0,
    limit_peaks: bool = False,
    language: str = "",
    text_format: TextFormat = "auto",
    word_times: bool = False,
    lexicon: Mapping[str, str] | Sequence[LexiconEntry] = (),
    tail: TailOptions | None = None,
    request_id: str = "",
    return_voice: bool = False,
    keep_voice: bool = False,
    semantic: SemanticOptions = SemanticOptions(),
    coarse: Sampling = Sampling(),
    fine: FineOptions = FineOptions(),
) -> speech_pb2.SynthesizeRequest:
    with encoding_errors():
        return speech_pb2.SynthesizeRequest(
            text=text,
            voice=voice_selection(voice),
            audio_format=speech_pb2.AudioFormat(
                encoding=f"AUDIO_ENCODING_{encoding.upper()}",
                sample_rate_hertz=sample_rate,
                first_chunk_ms=first_chunk_ms,
                chunk_ms=chunk_ms,
                gain_db=gain_db,
                limit_peaks=limit_peaks,
            ),
            seed=seed,
            delivery_mode=f"DELIVERY_MODE_{delivery.upper()}",
            greedy=greedy,
            semantic=speech_pb2.SemanticOptions(
                sampling=_sampling(semantic),
                min_eos_p=semantic.min_eos_p,
                max_tokens=semantic.max_tokens,
            ),
            coarse=speech_pb2.CoarseOptions(sampling=_sampling(coarse)),
            fine=speech_pb2.FineOptions(
                sampling=_sampling(fine), lookahead_frames=fine.lookahead_frames
            ),
            request_id=request_id,
            return_voice=return_voice,
            keep_voice=keep_voice,
            language_code=language,
            text_format=f"TEXT_FORMAT_{text_format.upper()}",
            speaking_rate=speaking_rate,
            word_times=word_times,
            lexicon=_lexicon(lexicon),
            tail=None if tail is None else _tail(tail),
        )


def _lexicon(
    lexicon: Mapping[str, str] | Sequence[LexiconEntry],
) -> Iterator[speech_pb2.LexiconEntry]:
    entries = lexicon
    if isinstance(lexicon, Mapping):
        entries = [LexiconEntry(word=word, spelling=text) for word, text in lexicon.items()]
    for entry in cast(Sequence[LexiconEntry], entries):
        yield speech_pb2.LexiconEntry(
            word=entry.word,
            spelling=entry.spelling or None,
            ipa=entry.ipa or None,
            match_case=entry.match_case,
        )


def _tail(tail: TailOptions) -> speech_pb2.TailOptions:
    return speech_pb2.TailOptions(
        max_seconds_per_character=tail.max_seconds_per_character,
        max_silence_seconds=tail.max_silence_s,
        max_redraws=tail.max_redraws,
    )


def _check(options: Mapping[str, object], hints: Mapping[str, Any]) -> None:
    check_names(options, hints)
    check_types(options, hints)


def _sampling(sampling: Sampling) -> common_pb2.Sampling:
    message = common_pb2.Sampling(
        temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p
    )
    if sampling.greedy is not None:
        message.greedy = sampling.greedy
    return message
