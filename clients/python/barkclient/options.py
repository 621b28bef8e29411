"""Options of a synthesis, and the requests that carry them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack, get_args

from barkclient.errors import InvalidRequest
from barkclient.voices import VoiceLike, voice_selection
from barkserve.v1 import common_pb2, speech_pb2

Delivery = Literal["streaming", "exact"]
Encoding = Literal["pcm16", "float32", "mulaw", "alaw", "wav", "flac", "ogg_opus", "mp3"]

SAMPLE_BYTES: Mapping[Encoding, int] = {"pcm16": 2, "float32": 4, "mulaw": 1, "alaw": 1}
"""Bytes per sample, for the encodings that consist only of samples."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a model samples its next token. None: the checkpoint's default."""

    temperature: float | None = None  # above 0, at most 10
    top_k: int | None = None  # 0: all tokens
    top_p: float | None = None  # above 0, at most 1
    greedy: bool | None = None  # always take the most likely token


@dataclass(frozen=True, kw_only=True)
class SemanticOptions(Sampling):
    """Options of the semantic model, which decides pace and intonation."""

    min_eos_p: float | None = None  # end the utterance when the end is at least this probable
    max_tokens: int | None = None  # 1 to 768; 49.9 tokens are one second


@dataclass(frozen=True, kw_only=True)
class FineOptions(Sampling):
    """Options of the fine model. Of the sampling, it uses only `temperature` and `greedy`."""

    lookahead_frames: int | None = None  # frames (1/75 s) that must follow a frame, 0 to 512


@dataclass(frozen=True, kw_only=True)
class TailOptions:
    """How to end a segment that continues after its text. None: the server's default."""

    max_seconds_per_character: float | None = None  # added to 2 s; 0: no limit; at most 10
    max_silence_s: float | None = None  # silence to keep at the end of a segment, 0 to 10
    max_redraws: int = 0  # more seeds for a failed segment, 0 to 3; needs delivery "exact"


class SynthesisOptions(TypedDict, total=False):
    """Keyword arguments of `synthesize`."""

    voice: VoiceLike  # a name, "none", a handle, an .npz file or the tokens; None: the default
    seed: int | None  # the same seed gives the same audio; None: random
    greedy: bool  # every model always takes its most likely token
    delivery: Delivery  # "exact" equals offline generation and starts later
    encoding: Encoding
    sample_rate: int  # 8000 to 48000 Hz; 0: the checkpoint's
    first_chunk_ms: int | None  # audio in the first chunk; None: as soon as possible
    chunk_ms: int | None  # audio in later chunks, 20 to 5000; None: as generated
    gain_db: float  # -40 to 40
    limit_peaks: bool  # limit peaks that the gain lifts too high, instead of clipping
    language: str  # BCP 47 code, to find sentence ends; empty: the voice's
    word_times: bool  # fill `words` with the time of each word
    tail: TailOptions | None
    request_id: str  # for the server's logs and `started`; empty: the server makes one
    return_voice: bool  # `finished.voice` is then a voice that continues this speech
    keep_voice: bool  # the same as `finished.voice_handle`, kept on the server
    semantic: SemanticOptions
    coarse: Sampling
    fine: FineOptions


class StreamOptions(SynthesisOptions, total=False):
    """Keyword arguments of `synthesize_stream` and `speak`."""

    max_delay_ms: int | None  # how long text may wait for the end of its sentence


def build_config(
    *, max_delay_ms: int | None = None, **options: Unpack[SynthesisOptions]
) -> speech_pb2.StreamingConfig:
    """Build the message that opens a context; errors as in build_request."""
    try:
        return speech_pb2.StreamingConfig(
            options=build_request("", **options), max_delay_ms=max_delay_ms
        )
    except ValueError as error:
        raise InvalidRequest.of_field("max_delay_ms", str(error)) from error


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


def build_request(
    text: str,
    *,
    voice: VoiceLike = None,
    seed: int | None = None,
    greedy: bool = False,
    delivery: Delivery = "streaming",
    encoding: Encoding = "pcm16",
    sample_rate: int = 0,
    first_chunk_ms: int | None = None,
    chunk_ms: int | None = None,
    gain_db: float = 0.0,
    limit_peaks: bool = False,
    language: str = "",
    word_times: bool = False,
    tail: TailOptions | None = None,
    request_id: str = "",
    return_voice: bool = False,
    keep_voice: bool = False,
    semantic: SemanticOptions = SemanticOptions(),
    coarse: Sampling = Sampling(),
    fine: FineOptions = FineOptions(),
) -> speech_pb2.SynthesizeRequest:
    """Build the request of one synthesis.

    Raises:
        InvalidRequest: an option cannot be sent. The server checks the others.
    """
    _check_choice("delivery", delivery, get_args(Delivery))
    _check_choice("encoding", encoding, get_args(Encoding))
    try:
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
            word_times=word_times,
            tail=None if tail is None else _tail(tail),
        )
    except ValueError as error:  # a number does not fit its field, or text is not Unicode
        raise InvalidRequest(f"the request cannot be encoded: {error}") from error


def _tail(tail: TailOptions) -> speech_pb2.TailOptions:
    return speech_pb2.TailOptions(
        max_seconds_per_character=tail.max_seconds_per_character,
        max_silence_seconds=tail.max_silence_s,
        max_redraws=tail.max_redraws,
    )


def _check_choice(field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidRequest.of_field(field, f"{value!r} is not one of {', '.join(choices)}")


def _sampling(sampling: Sampling) -> common_pb2.Sampling:
    message = common_pb2.Sampling(
        temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p
    )
    if sampling.greedy is not None:
        message.greedy = sampling.greedy
    return message
